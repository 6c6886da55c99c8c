/** `npm run token`: prints a token for the local stack. */
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { CACHE_FOLDER } from "../local/cacheFolder.ts";
import { developmentKey } from "../local/identity/developmentKey.ts";
import { signDevelopmentToken } from "../local/identity/developmentToken.ts";
import { HELP, OPTIONS, parseOptions, type TokenOptions } from "./options.ts";

async function run({ lifetimeSeconds, ...content }: TokenOptions): Promise<number> {
  const issuedAt = Math.floor(Date.now() / 1000);
  const expiresAt = issuedAt + lifetimeSeconds;
  const key = await developmentKey(CACHE_FOLDER);
  process.stdout.write(`${await signDevelopmentToken(key, { ...content, issuedAt, expiresAt })}\n`);
  // A script reads the token only.
  process.stderr.write(`${describe(content, new Date(expiresAt * 1000))}\n`);
  return EXIT_CODES.done;
}

function describe(
  { user, subscribe, publish }: Pick<TokenOptions, "user" | "subscribe" | "publish">,
  expiresAt: Date,
): string {
  return [
    user === undefined ? "without a user" : `user ${user}`,
    `subscribe ${describePatterns(subscribe)}`,
    `publish ${describePatterns(publish)}`,
    `expires at ${expiresAt.toISOString()}`,
    ...(subscribe.length + publish.length === 0 ? ["it grants no channel: add --subscribe '*'"] : []),
  ].join("; ");
}

function describePatterns(patterns: readonly string[]): string {
  return patterns.length === 0 ? "none" : patterns.join(" ");
}

await runCommandLine({ script: "token", options: OPTIONS, help: HELP, parse: parseOptions, run });
