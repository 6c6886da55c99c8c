/** Options without a preceding `--`, as npm passes them on to every command. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { refuseSwallowedOptions } from "../../cli/npmOptions.ts";
import { OPTIONS as DEPLOY_OPTIONS } from "../../deploy/options.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

const CASES: readonly (readonly [written: string, fix: string])[] = [
  ["run deploy preview dev --refresh", "npm run deploy -- preview dev --refresh"],
  ["run deploy up dev --yes --no-policy", "npm run deploy -- up dev --yes --no-policy"],
  ["run deploy preview dev --markdown=x.md", "npm run deploy -- preview dev --markdown=x.md"],
  ["start --tasks 3", "npm start -- --tasks VALUE"],
  ["start -c idleTimeoutSeconds=10", "npm start -- --config=idleTimeoutSeconds=10"],
  ["run load-test ws://127.0.0.1:1 --rate=2", "npm run load-test -- ws://127.0.0.1:1 --rate=2"],
  ["run bench --quick", "npm run bench -- --quick"],
  ["run policy --stack dev", "npm run policy -- --stack VALUE"],
];

describe("options without a preceding --", function () {
  // Each test starts two processes of npm.
  this.timeout(60_000);

  let folder: string;
  /** Without the npm settings of the machine. */
  let env: NodeJS.ProcessEnv;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "npm-options-"));
    writeFileSync(path.join(folder, "npmrc"), "");
    const own = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"));
    env = { ...Object.fromEntries(own), npm_config_userconfig: path.join(folder, "npmrc") };
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  for (const [written, fix] of CASES) {
    it(`are reported with the right command: npm ${written}`, () => {
      const { status, stderr } = spawnSync("npm", written.split(" "), { cwd: ROOT, encoding: "utf8", env });
      assert.ok(stderr.includes(`Fix: \`${fix}\``), stderr);
      assert.notEqual(status, 0);
    });
  }

  it("are not confused with npm settings of the machine, or with options after --", () => {
    const file = path.join(folder, "npmrc");
    writeFileSync(file, "yes = true\n");
    const settings = { npm_lifecycle_event: "deploy", npm_config_userconfig: file };
    const run = (own: Record<string, string>, ...args: string[]) => {
      refuseSwallowedOptions("deploy", DEPLOY_OPTIONS, {
        argv: ["node", "main.ts", ...args],
        env: { ...settings, ...own },
      });
    };
    run({ npm_config_yes: "true" }, "up", "dev");
    run({ npm_config_json: "true" }, "outputs", "dev", "--json");
    assert.throws(() => {
      run({ npm_config_json: "true" }, "outputs", "dev");
    }, /`--json`: got an option that npm consumed; .*Fix: `npm run deploy -- outputs dev --json`/);
  });
});
