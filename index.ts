import { runProgram } from "./infra/program.ts";

export const {
  websocketUrl,
  distributionDomainName,
  apiGatewayWebsocketUrl,
  loadBalancerDnsName,
  clusterName,
  serviceName,
  imageUri,
  readme,
} = await runProgram();
