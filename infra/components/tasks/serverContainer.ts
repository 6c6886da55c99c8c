/** The container of our server: its settings as environment variables, and its own health check. */
import { toEnvironment } from "../../../app/src/settings/environment.ts";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import type { BackplaneAccess } from "./backplaneAccess.ts";
import type { Container, ContainerImage } from "./container.ts";

/** The server has its own health check, so the image needs no curl. The path is relative to the working directory. */
const HEALTH_COMMAND = ["node", "server.mjs", "health"];

/**
 * Describes the container of our server.
 * @param backplane Valkey cache of the tasks; without one at most one task runs.
 */
export function describeServerContainer(
  image: ContainerImage,
  settings: Settings,
  backplane: BackplaneAccess | undefined,
): Container {
  const environment = toEnvironment({
    ...settings,
    valkeyCluster: backplane !== undefined,
    valkeyBudgetMib: backplane?.budgetMib ?? settings.valkeyBudgetMib,
  });
  const { valkeyUrl, valkeyPassword } = settingDefinitions;
  const [passwordArn, ...previousSecretArns] = backplane?.passwordArns ?? [];
  return {
    image,
    cpuArchitecture: "ARM64",
    port: settings.port,
    environment: Object.entries(environment).map(([name, value]) => ({
      name,
      value: name === valkeyUrl.variable ? (backplane?.url ?? value) : value,
    })),
    secrets: passwordArn === undefined ? [] : [{ name: valkeyPassword.variable, valueFrom: passwordArn }],
    previousSecretArns,
    healthCommand: HEALTH_COMMAND,
  };
}
