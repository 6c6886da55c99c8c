import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { localCertificate } from "../../../local/runtime/network/certificate.ts";

describe("the local certificate", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "certificate-"));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it("is stored", async () => {
    const directory = path.join(folder, "new");
    const [first, second] = [await localCertificate(directory), await localCertificate(directory)];
    assert.equal(first.cert, second.cert);
  });

  it("is created with a warning if it cannot be stored", async () => {
    // Not even root can create this folder: its parent is a file.
    const file = path.join(folder, "file");
    await writeFile(file, "");
    const warnings: string[] = [];
    const { cert } = await localCertificate(path.join(file, "cache"), (message) => warnings.push(message));
    assert.match(cert, /^-----BEGIN CERTIFICATE-----/);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /^The certificate cannot be stored \(ENOTDIR: /);
  });
});
