/** The container of our server: its settings as environment variables, and its own health check. */
import type * as pulumi from "@pulumi/pulumi";
import { toEnvironment } from "../../../app/src/settings/environment.ts";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { SettingName, Settings } from "../../../app/src/settings/settings.ts";
import type { Generations } from "../generations.ts";
import type { BackplaneAccess } from "./backplaneAccess.ts";
import type { Container, ContainerImage } from "./container.ts";

/** The server has its own health check, so the image needs no curl. The path is relative to the working directory. */
const HEALTH_COMMAND = ["node", "server.mjs", "health"];

/**
 * Describes the container of our server.
 * @param inputs settings whose values are outputs of other resources.
 * @param apiKeyArns ARNs of the SSM parameters with the API keys.
 * @param backplane Valkey cache of the tasks; without one at most one task runs.
 */
export function describeServerContainer(
  image: ContainerImage,
  settings: Settings,
  inputs: Readonly<Partial<Record<SettingName, pulumi.Input<string>>>>,
  apiKeyArns: Generations<pulumi.Input<string>> | undefined,
  backplane: BackplaneAccess | undefined,
): Container {
  const plain = toEnvironment({ ...settings, valkeyCluster: backplane !== undefined });
  const { valkeyPassword, apiKeys } = settingDefinitions;
  const later = { ...inputs, ...(backplane !== undefined && { valkeyUrl: backplane.url }) };
  const environment: Record<string, pulumi.Input<string>> = { ...plain };
  for (const [name, value] of Object.entries(later)) {
    // Object.entries widens the keys to strings.
    environment[settingDefinitions[name as keyof typeof later].variable] = value;
  }
  const [passwordArn, ...previousPasswordArns] = backplane?.passwordArns ?? [];
  const [apiKeyArn, ...previousApiKeyArns] = apiKeyArns ?? [];
  return {
    image,
    cpuArchitecture: "ARM64",
    port: settings.port,
    environment: Object.entries(environment).map(([name, value]) => ({ name, value })),
    secrets: [
      ...(passwordArn === undefined ? [] : [{ name: valkeyPassword.variable, valueFrom: passwordArn }]),
      ...(apiKeyArn === undefined ? [] : [{ name: apiKeys.variable, valueFrom: apiKeyArn }]),
    ],
    previousSecretArns: [...previousPasswordArns, ...previousApiKeyArns],
    healthCommand: HEALTH_COMMAND,
  };
}
