import path from "node:path";
import { OWN_FOLDER } from "../app/src/settings/ownFiles.ts";

/** What `npm start` keeps for its next start: the certificate of localhost, and the key of development tokens. */
export const CACHE_FOLDER = path.join(OWN_FOLDER, "node_modules", ".cache", "local-stack");
