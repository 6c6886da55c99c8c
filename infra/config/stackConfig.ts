import type { ValuesOf } from "../../app/src/settings/definition.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import type { infrastructureDefinitions } from "./definitions.ts";
import type { EdgeConfig } from "./edgeConfig.ts";
import type { ProviderConfig } from "./providerConfig.ts";

/** A stack's configuration; see {@link infrastructureDefinitions} for units, ranges and defaults. */
export interface StackConfig extends ValuesOf<typeof infrastructureDefinitions>, ProviderConfig {
  /** Pulumi project and stack. */
  readonly project: string;
  readonly stack: string;
  /** What clients connect to. */
  readonly edge: EdgeConfig;
  /** The settings of the server in a task. */
  readonly settings: Settings;
}
