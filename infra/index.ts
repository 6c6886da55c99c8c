/** The component and its types. */
export { WebSocketService } from "./webSocketService.ts";
export type { WebSocketServiceArgs } from "./webSocketService.ts";
export type { ConfigArguments, RetentionRuleArgs } from "./config/arguments/configArguments.ts";
export { ConfigError } from "./config/configError.ts";
export type { ImageBuildArgs, ServerImageArgs } from "./config/ownServer/serverImage.ts";
export type { ScalingMetric } from "./components/tasks/autoscaling.ts";
export type { Sidecar, Sidecars } from "./components/tasks/sidecars.ts";
export type { Transform } from "./components/transform.ts";
export type { Transforms } from "./components/transforms.ts";
