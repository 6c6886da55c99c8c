/** Runs the script of a workflow step as GitHub does, with a `gh api` that records its calls. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** `gh api [--paginate] [--silent] [--method M] PATH [--jq FILTER] [--field NAME=VALUE|NAME=@FILE]...` */
const GH = `#!/usr/bin/env bash
set -euo pipefail
[[ $1 == api ]]; shift
method=GET; url=; filter=; body={}
while (($#)); do
  case $1 in
    --paginate | --silent) ;;
    --method) method=$2; shift ;;
    --jq) filter=$2; shift ;;
    --field)
      value=\${2#*=}
      if [[ $value == @* ]]; then value=$(<"\${value#@}"); fi
      body=$(jq --compact-output --arg name "\${2%%=*}" --arg value "$value" '.[$name] = $value' <<<"$body")
      shift ;;
    *) url=$1 ;;
  esac
  shift
done
if [[ $method == GET ]]; then
  jq --raw-output --arg url "$url" "(if type == \\"object\\" then .[\\$url] else . end) | $filter" found.json
else
  jq --null-input --compact-output --arg method "$method" --arg url "$url" --argjson body "$body" \\
    '{$method, $url, $body}' >>calls
fi
`;

export interface Call {
  readonly method: string;
  readonly url: string;
  readonly body: Readonly<Record<string, string>>;
}

export interface ScriptRun {
  readonly environment: Readonly<Record<string, string>>;
  /** Files in the working folder, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Scripts that replace programs, by name. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Answers to GET: comments or issues, or an answer for each URL. */
  readonly found?: readonly unknown[] | Readonly<Record<string, unknown>>;
}

/**
 * Runs a script in the step's shell.
 * @returns its writing calls of `gh api`.
 * @throws {Error} with the output, if the script fails.
 */
export function runScript(
  script: string,
  { environment, files = {}, programs = {}, found = [] }: ScriptRun,
): readonly Call[] {
  const folder = mkdtempSync(path.join(tmpdir(), "workflow-"));
  try {
    for (const [name, program] of Object.entries({ gh: GH, ...programs })) {
      writeFileSync(path.join(folder, name), program, { mode: 0o755 });
    }
    for (const [name, content] of Object.entries({ ...files, "found.json": JSON.stringify(found) })) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    // Source: GitHub's workflow syntax, jobs.<job_id>.steps[*].shell. Without `shell`, pipefail is off.
    const { status, stdout, stderr } = spawnSync("bash", ["-e", "-c", script], {
      cwd: folder,
      encoding: "utf8",
      env: { ...environment, LANG: "C.UTF-8", PATH: [folder, process.env["PATH"]].join(path.delimiter) },
    });
    if (status !== 0) throw new Error(`exit code ${String(status)}\n${stdout}${stderr}`);
    const calls = path.join(folder, "calls");
    if (!existsSync(calls)) return [];
    const lines = readFileSync(calls, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Call); // GH writes them.
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
