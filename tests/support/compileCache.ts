/**
 * Loaded by Mocha before the tests: every process of the tests shares Node's compile cache, because most processes load
 * the same large packages. @see https://nodejs.org/api/module.html#module-compile-cache
 */
import { enableCompileCache } from "node:module";
import path from "node:path";

const FOLDER = path.resolve(import.meta.dirname, "../../node_modules/.cache/compile");

process.env["NODE_COMPILE_CACHE"] ??= FOLDER;
enableCompileCache(FOLDER);
