/** The arguments of the component, as callers with and without types give them. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { configDefinitions } from "../../../infra/config/definitions.ts";
import type { KeyValues } from "../../../infra/config/keyDefinition.ts";
import { shortHash } from "../../../infra/components/shortName.ts";
import { ConfigError, WebSocketService } from "../../../infra/index.ts";
import type { ConfigArguments, WebSocketServiceArgs } from "../../../infra/index.ts";
import { declare } from "./support.ts";

/** Whether two types are assignable to each other. */
type Equal<A, B> = [A, B] extends [B, A] ? true : false;

/** The compiler refuses this line if `npm run docs` would write other types. */
const isGenerated: Equal<Required<ConfigArguments>, KeyValues<typeof configDefinitions>> = true;

describe("the arguments of WebSocketService", () => {
  it("have the types of the definitions", () => {
    assert.ok(isGenerated);
  });

  it("are all reported at once, each with a fix, before a resource is declared", async () => {
    await assertRefused({ minTasks: 0, backplane: "redis", cpu: 1000, protect: "yes" }, [
      "`minTasks`: got 0; expected a whole number from 1 to 1000 (tasks). Fix: `minTasks: 1`",
      "`cpu`: got 1000; expected one of 256, 512, 1024, 2048, 4096, 8192, 16384, 32768. Fix: `cpu: 1024`",
      '`backplane`: got "redis"; expected one of memory, valkey. Fix: `backplane: "valkey"`',
      '`protect`: got "yes"; expected true or false. Fix: `protect: true`',
      "`access`: got nothing; expected one of token, open (token admits clients with a valid token, open lets every client " +
        'that has the address read and publish). Fix: `access: "token"` and set `jwksUrl` and set `jwtIssuer` and set ' +
        '`jwtAudience`, or `access: "open"`',
    ]);
  });

  for (const [args, line] of [
    [
      { minTask: 2 },
      "`minTask`: got an unknown argument; expected a known one (did you mean minTasks?). Fix: remove `minTask`",
    ],
    [
      { transfrom: {} },
      "`transfrom`: got an unknown argument; expected a known one (did you mean transform?). Fix: remove `transfrom`",
    ],
    [
      { zzzzzzzz: 1 },
      "`zzzzzzzz`: got an unknown argument; expected one of the configuration keys, or one of image, sidecars, scalingMetric, transform. Fix: remove `zzzzzzzz`",
    ],
    [
      { transform: { taskRoles: {} } },
      "`transform.taskRoles`: got an unknown argument; expected a known one (did you mean taskRole?). Fix: remove `transform.taskRoles`",
    ],
    [
      { transform: { nope: {} } },
      "`transform.nope`: got an unknown argument; expected one of vpc, taskSecurityGroup, loadBalancerSecurityGroup, loadBalancer, targetGroup, listener, listenerRule, repository, image, cluster, service, logGroup, taskRole, executionRole, scalableTarget, scalingPolicy, cache, distribution, vpcOrigin, logBucket. Fix: remove `transform.nope`",
    ],
    [
      { transform: { cluster: "large" } },
      '`transform.cluster`: got "large"; expected an object of arguments, or a function.',
    ],
    [{ transform: [] }, "`transform`: got []; expected an object with a change for each part."],
    [
      { minTasks: 2n },
      "`minTasks`: got a bigint; expected a whole number from 1 to 1000 (tasks). Fix: `minTasks: 1`",
    ],
    [
      { minTasks: "2" },
      '`minTasks`: got "2"; expected a whole number from 1 to 1000 (tasks). Fix: `minTasks: 1`',
    ],
    [
      { minTasks: 1.5 },
      "`minTasks`: got 1.5; expected a whole number from 1 to 1000 (tasks). Fix: `minTasks: 1`",
    ],
    [
      { minTasks: null },
      "`minTasks`: got null; expected a whole number from 1 to 1000 (tasks). Fix: `minTasks: 1`",
    ],
    [{ minTasks: 7 }, "`minTasks`: got 7; expected at most maxTasks (5). Fix: `maxTasks: 7`"],
    [
      { allowedOrigins: "https://a.example" },
      '`allowedOrigins`: got "https://a.example"; expected origins such as https://app.example.com or https://*.example.com, without a path, or null; an empty list admits every origin. Fix: `allowedOrigins: ["https://a.example"]`',
    ],
    [
      { retention: [{ channels: "user.*", seconds: 5 }] },
      "`retention[0].seconds`: got 5; expected a whole number from 10 to 86400 (seconds). Fix: `retention[0].seconds: 10`",
    ],
    [
      { retention: [{ channels: "a", messages: pulumi.output(100) }] },
      "`retention[0].messages`: got an object; expected a whole number from 100 to 1000000 (messages). Fix: remove `retention[0].messages`",
    ],
    [
      { retention: { channels: "a" } },
      "`retention`: got an object; expected a list of at most 32 objects with channels, messages, bytes, seconds. Fix: remove `retention`",
    ],
    [
      { minTasks: pulumi.output(2) },
      "`minTasks`: got an output or a promise; expected a whole number from 1 to 1000 (tasks) as a plain value, because rules or the set of resources depend on it.",
    ],
    [
      { domain: "ws.example.com" },
      '`domain`: got "ws.example.com"; expected a certificate in certificateArn, or a zone in hostedZoneId in which ACM can issue one. Fix: set `hostedZoneId`, or set `certificateArn`',
    ],
  ] as const) {
    it(`are refused if they are ${Object.keys(args).join()}: ${line.slice(0, 60)}…`, async () => {
      await assertRefused({ access: "open", ...args }, [line]);
    });
  }

  for (const args of [
    undefined,
    null,
    "open",
    ["open"],
    () => undefined,
    pulumi.output({ access: "open" }),
  ]) {
    it(`are refused by one problem if they are no object but ${Array.isArray(args) ? "a list" : typeof args}`, async () => {
      await assertRefused(args, [/^`args`: got .*; expected an object, such as \{ access: "open" \}\.$/]);
    });
  }

  it("are refused by one problem if they are in the place of the name", async () => {
    await declare(() => {
      assert.throws(
        () => {
          // A caller without types.
          Reflect.construct(WebSocketService, [{ access: "open" }]);
        },
        {
          name: "ConfigError",
          message:
            "The arguments of WebSocketService without a name are not usable:\n  `name`: got an object; expected a string " +
            'as the first argument, as in new WebSocketService("chat", { … }).',
        },
      );
    });
  });

  it("can be undefined, which is as if they were absent", async () => {
    // A caller without `exactOptionalPropertyTypes`.
    const args = {
      access: "open",
      minTasks: undefined,
      unknown: undefined,
    } as unknown as WebSocketServiceArgs;
    await declare(() => {
      new WebSocketService("chat", args);
    });
  });

  for (const name of [
    ...["", "Chat", "1chat", "chat_room", "chat-", "chat--room", "a-very-long-name-abcd"],
    // AWS refuses names of SSM parameters, load balancers and security groups that begin like this.
    ...["aws-chat", "ssm", "internal", "internal-chat", "sg-chat"],
  ]) {
    it(`do not belong to a service with the name ${JSON.stringify(name)}`, async () => {
      await assertRefused(
        { access: "open" },
        [new RegExp(`^\`name\`: got "${name}"; expected 1 to 20 `)],
        name,
      );
    });
  }
});

describe("the names of two services in a stack", () => {
  for (const end of ["vpc", "open", `tls-${shortHash("origin.example.com", 6)}`]) {
    const [name, args] = [`chat-${end}`, { access: "open" }] as const;

    it(`are refused if one is the other with -${end}, as the name of its load balancer can be`, async () => {
      await assertRefused(
        args,
        [new RegExp(`^\`name\`: got "${name}"; expected a name without -vpc, -open, `)],
        name,
      );
    });
  }
});

/** Fails if a service accepts the arguments, or if the lines of the error are others. */
async function assertRefused(
  args: unknown,
  expected: readonly (string | RegExp)[],
  name = "chat",
): Promise<void> {
  let declared = false;
  await declare(() => {
    try {
      // A caller without types.
      Reflect.construct(WebSocketService, [name, args]);
      declared = true;
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      const [heading, ...lines] = error.message.split("\n").map((line) => line.trim());
      assert.equal(heading, `The arguments of WebSocketService ${name} are not usable:`);
      assert.equal(lines.length, expected.length, error.message);
      for (const [index, line] of lines.entries()) {
        const wanted = expected[index] ?? "";
        if (typeof wanted === "string") assert.equal(line, wanted);
        else assert.match(line, wanted);
      }
    }
  }).then((resources) => {
    assert.deepEqual(resources, []);
  });
  assert.ok(!declared, "The service accepts the arguments");
}
