import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { findStackAt, recordPort } from "../../../local/runtime/network/portRecords.ts";

const PORT = 8443;

/** A process that records the port, prints the stack that it finds there, and runs until it is killed. */
const RECORDING = `
  import { findStackAt, recordPort } from ${JSON.stringify(import.meta.resolve("../../../local/runtime/network/portRecords.ts"))};
  const [,, records] = process.argv;
  await recordPort(${PORT}, records);
  console.log(String(await findStackAt(${PORT}, records)));
  process.stdin.resume();
`;

describe("port records", () => {
  let folder: string;
  let records: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "port-records-"));
    records = path.join(folder, "records");
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function recordOf(content: string): Promise<number | undefined> {
    await mkdir(records, { recursive: true });
    await writeFile(path.join(records, String(PORT)), content);
    return findStackAt(PORT, records);
  }

  it("find no stack without a record, and with a damaged one", async () => {
    assert.equal(await findStackAt(PORT, records), undefined);
    for (const content of ["", "0", "-1", "x", "1.5"]) {
      assert.equal(await recordOf(content), undefined, content);
    }
  });

  it("find the process that has recorded the port, while it runs, if it is a stack", async function () {
    if (process.platform === "win32") this.skip();
    for (const [name, isStack] of [
      ["local/main.ts", true],
      ["bench/main.ts", false],
    ] as const) {
      const script = path.join(folder, name);
      await mkdir(path.dirname(script));
      await writeFile(script, RECORDING);
      const child = spawn(process.execPath, [script, records], { stdio: ["pipe", "pipe", "inherit"] });
      const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
      assert.equal(line, "undefined", "it names itself");
      assert.equal(await findStackAt(PORT, records), isStack ? child.pid : undefined);
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.deepEqual(await readdir(records), [String(PORT)]);
      assert.equal(await findStackAt(PORT, records), undefined);
    }
  });

  it("replace the record of a killed stack, and are removed", async () => {
    await recordPort(PORT, records);
    assert.equal((await lstat(records)).mode & 0o077, 0);
    await recordOf("1");
    const remove = await recordPort(PORT, records);
    assert.equal(await readFile(path.join(records, String(PORT)), "utf8"), String(process.pid));
    await remove();
    assert.deepEqual(await readdir(records), []);
  });

  it("are not written through a link, which another user may have created", async () => {
    const target = path.join(folder, "target");
    await mkdir(target);
    await symlink(target, records);
    await recordPort(PORT, records);
    assert.deepEqual(await readdir(target), []);
  });

  it("are not written if the folder cannot be created", async () => {
    await writeFile(records, "");
    const remove = await recordPort(PORT, records);
    await remove();
  });
});
