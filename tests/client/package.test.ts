import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { transform } from "esbuild";

import { startServer } from "../app/support/server.ts";
import { tearDown } from "../app/support/teardown.ts";

const run = promisify(execFile);

const ROOT = path.resolve(import.meta.dirname, "../..");
const NAME = "@pulumi-websocket-server/client";

/** Of the script, minified and compressed. client/README.md has the number, too. */
const MAX_BYTES = 8704;

/** A program that compiles only if the package's types are precise. */
const PROGRAM = `
import { connect, ClientError, type Channel, type Connection } from "${NAME}";

interface Text { text: string }
await using connection: Connection = connect(process.argv[2] ?? "");
const channel: Channel<Text> = connection.channel<Text>("room.7", {
  last: 50,
  onMessage: ({ value, from }) => console.error(value.text.length, from?.length),
});
// @ts-expect-error: the channel's messages are objects.
const isChecked = () => channel.publish(1);
const read = async () => {
  for await (const { value, gap } of channel) {
    // @ts-expect-error: it may be a gap.
    value.text;
    if (gap === undefined) return value.text;
  }
  return channel.closed.then((error: ClientError | undefined) => error?.code);
};
const { offset } = await channel.publish({ text: typeof isChecked + typeof read });
process.stdout.write(String(offset));
`;

const TSCONFIG = {
  compilerOptions: {
    module: "nodenext",
    target: "es2022",
    lib: ["es2022"],
    types: ["node"],
    typeRoots: [path.join(ROOT, "node_modules/@types")],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
  files: ["program.ts"],
};

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

describe("the npm package of the client", function () {
  this.timeout(120_000);

  let folder: string;
  let packed: Packed;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "client-package-"));
    const { stdout } = await run("npm", ["pack", "--json", "--silent", "--pack-destination", folder], {
      cwd: path.join(ROOT, "client"),
    });
    const result = JSON.parse(stdout.slice(stdout.indexOf("["))) as readonly [Packed];
    [packed] = result;
    await writeFile(path.join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await writeFile(path.join(folder, "program.ts"), PROGRAM);
    await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", packed.filename], { cwd: folder });
  });

  after(() => rm(folder, { recursive: true, force: true }));

  afterEach(tearDown);

  it("contains one script, types, the README and the license", () => {
    const files = packed.files.map((file) => file.path);
    const others = files.filter((file) => !/^dist\/.*\.d\.ts$/.test(file));
    assert.deepEqual(others.sort(), ["LICENSE", "README.md", "dist/index.js", "package.json"]);
    assert.ok(files.includes("dist/index.d.ts"));
  });

  it("contains the script that the server serves", async () => {
    const { origin } = await startServer();
    const served = await (await fetch(`${origin}/client.js`)).text();
    const script = path.join(folder, "node_modules", NAME, "dist/index.js");
    assert.equal(await readFile(script, "utf8"), served);
  });

  it("is small", async () => {
    const script = await readFile(path.join(folder, "node_modules", NAME, "dist/index.js"), "utf8");
    const { code } = await transform(script, { minify: true, target: "es2022", format: "esm" });
    const bytes = gzipSync(code, { level: 9 }).length;
    assert.ok(bytes <= MAX_BYTES, `${bytes} bytes`);
  });

  it("has types for the compiler", async () => {
    await run(process.execPath, [path.join(ROOT, "node_modules/typescript/bin/tsc")], { cwd: folder });
  });

  it("publishes to a server without further packages", async () => {
    const { url } = await startServer();
    const { stdout } = await run(process.execPath, ["program.ts", url], { cwd: folder });
    assert.equal(stdout, "1");
  });
});
