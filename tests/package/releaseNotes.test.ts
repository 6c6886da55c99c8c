import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { releaseNotes } from "../../scripts/package/releaseNotes.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

describe("the notes of a release", () => {
  let root: string;

  before(() => {
    root = mkdtempSync(path.join(tmpdir(), "release-"));
    mkdirSync(path.join(root, "client"));
    writeFileSync(path.join(root, "package.json"), '{"version": "1.2.3"}');
    writeFileSync(path.join(root, "client/package.json"), '{"version": "1.2.3"}');
    writeFileSync(
      path.join(root, "CHANGELOG.md"),
      "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2030-01-02\n\n### Added\n\n- This.\n\n## [1.2.2] - 2030-01-01\n",
    );
  });

  after(() => {
    rmSync(root, { recursive: true });
  });

  it("are the section of the changelog", () => {
    assert.equal(releaseNotes(root, "v1.2.3"), "### Added\n\n- This.");
  });

  it("require equal versions and a section, and report all differences at once", () => {
    assert.throws(
      () => releaseNotes(root, "v1.3.0"),
      ({ message }: Error) => {
        assert.deepEqual(message.split("\n"), [
          "package.json: got version 1.2.3; expected 1.3.0, as the tag.",
          "client/package.json: got version 1.2.3; expected 1.3.0, as the tag.",
          'CHANGELOG.md: got no section of 1.3.0; expected "## [1.3.0] - DATE".',
        ]);
        return true;
      },
    );
    assert.throws(() => releaseNotes(root, "1.2.3"), /got "1.2.3"; expected one such as v1.2.3/);
  });

  it("have a place for the changes since the last version in CHANGELOG.md", () => {
    const changelog = readFileSync(path.join(ROOT, "CHANGELOG.md"), "utf8");
    assert.match(changelog, /^## \[Unreleased\]$/m);
  });
});
