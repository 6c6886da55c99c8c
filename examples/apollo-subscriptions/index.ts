import * as pulumi from "@pulumi/pulumi";
import { WebSocketService, type WebSocketServiceArgs } from "pulumi-websocket-server";

const graphql = new WebSocketService("graphql", {
  image: {
    build: { context: "server" },
    command: ["node", "main.ts"],
    port: 4000,
    path: "/graphql",
    healthPath: "/health",
  },
  backplane: "valkey",
  minTasks: 2,
  // The arguments of one stack: see Pulumi.lb.yaml.
  ...new pulumi.Config().getObject<Partial<WebSocketServiceArgs>>("service"),
});

export const { websocketUrl } = graphql;
