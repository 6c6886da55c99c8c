/** The server of another checkout of this repository, which `--base` compares with. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { ExpectedError } from "../app/src/settings/expectedError.ts";
import type { settingDefinitions } from "../app/src/settings/settings.ts";
import type { ProtocolName } from "./generator/protocols.ts";

export interface BaseCheckout {
  /** Source file of the server. */
  readonly entry: string;
  /** Its settings. */
  readonly definitions: typeof settingDefinitions;
  /** The options of Node.js for its process. */
  readonly nodeOptions: readonly string[];
  /** Its dialect with offsets and acknowledgements. */
  readonly lossless: ProtocolName;
}

/**
 * @param folder root of the checkout, with its dependencies installed.
 * @throws {ExpectedError} if it has no server.
 */
export async function readBaseCheckout(folder: string): Promise<BaseCheckout> {
  const entry = path.resolve(folder, "app/src/main.ts");
  const settings = path.resolve(folder, "app/src/settings/settings.ts");
  if (!existsSync(entry) || !existsSync(settings))
    throw new ExpectedError(`\`--base\`: got ${folder}; expected a checkout with app/src/main.ts.`);
  // Another version has most settings of this one, with other ranges.
  const module = (await import(pathToFileURL(settings).href)) as {
    readonly settingDefinitions: typeof settingDefinitions;
  };
  const contract = path.resolve(folder, "app/src/settings/contract.ts");
  const { SERVER_NODE_OPTIONS: nodeOptions = [] } = (await import(pathToFileURL(contract).href)) as {
    readonly SERVER_NODE_OPTIONS?: readonly string[];
  };
  const protocol = readFileSync(path.resolve(folder, "PROTOCOL.md"), "utf8");
  return {
    entry,
    definitions: module.settingDefinitions,
    nodeOptions,
    lossless: protocol.includes("`channels.v1`") ? "channels.v1" : "resume.v1",
  };
}
