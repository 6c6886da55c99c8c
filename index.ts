import { runProgram } from "./infra/program.ts";

export const {
  websocketUrl,
  distributionDomainName,
  loadBalancerDnsName,
  clusterName,
  serviceName,
  imageUri,
  readme,
} = runProgram();
