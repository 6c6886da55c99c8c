/** Previews with a provider whose configuration depends on a new resource, such as the role that it assumes. */
import * as pulumi from "@pulumi/pulumi";
import { WebSocketService } from "../../../infra/index.ts";
import type { WebSocketServiceArgs } from "../../../infra/index.ts";

const ZONE = { hostedZoneId: "Z0123456789ABC" };

const VARIANTS: Readonly<Record<string, WebSocketServiceArgs>> = {
  "a custom domain": { access: "open", domain: "ws.example.com", ...ZONE },
  "a VPC origin": { access: "open", originAccess: "private" },
  "an existing listener": {
    access: "open",
    edge: "load-balancer",
    domain: "ws.example.com",
    ...ZONE,
    vpcId: "vpc-0123456789abcdef0",
    privateSubnetIds: ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"],
    listenerArn:
      "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/first/0123456789abcdef/fedcba9876543210",
  },
};

describe("a preview without results of lookups", () => {
  for (const [variant, args] of Object.entries(VARIANTS)) {
    it(`declares a service with ${variant}`, async () => {
      pulumi.runtime.setAllConfig({});
      await pulumi.runtime.setMocks(
        {
          newResource: ({ name, inputs }) => ({ id: name, state: inputs as object }),
          // The engine returns this until the provider is configured.
          call: () => ({}),
        },
        "shop",
        "test",
        true,
      );
      await pulumi.runtime.runInPulumiStack(() => {
        new WebSocketService("chat", args);
        return Promise.resolve();
      });
      await pulumi.runtime.disconnect();
    });
  }
});
