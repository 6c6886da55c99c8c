import assert from "node:assert/strict";

import type { MessageLog, RetentionOf } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { TASKS_KEY } from "../../../app/src/log/valkey/connection/partitions.ts";
import {
  connectToValkey,
  type ValkeyAddress,
} from "../../../app/src/log/valkey/connection/valkeyConnection.ts";
import { appendScript } from "../../../app/src/log/valkey/scripts/appendScript.ts";
import { followScript, proveScript } from "../../../app/src/log/valkey/scripts/followScripts.ts";
import { openScript } from "../../../app/src/log/valkey/scripts/openScript.ts";
import { formatScript, reportScript } from "../../../app/src/log/valkey/scripts/taskScripts.ts";
import { DATA_COMMANDS } from "../../../infra/components/backplane/valkeyAccess.ts";
import {
  addressAt,
  requireValkey,
  startGuardedValkey,
  startProxy,
  startValkey,
} from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";
import { FaultyLog } from "./faultyLog.ts";
import { describeLogContract } from "./logContract.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";

/** See https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html; `TIME` only within scripts. */
const REFUSED_COMMANDS = [
  ...[
    "TIME",
    "SELECT 1",
    "KEYS *",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 1",
    "CLIENT KILL TYPE normal",
  ],
  ...["CLIENT LIST", "DEBUG JMAP", "MEMORY DOCTOR", "MONITOR", "SAVE", "SHUTDOWN", "SLOWLOG LEN", "FLUSHALL"],
  ...["FUNCTION LIST", "SCRIPT FLUSH", "ACL WHOAMI", "MODULE LIST", "WAIT 0 0"],
];

describeLogContract("memory", {
  open: (retentionOf) => createMemoryLog({ retentionOf }),
  shared: false,
});
describeLogContract("faulty test", {
  open: (retentionOf) => new FaultyLog(retentionOf).view(0),
  shared: false,
});

for (const [name, start] of [
  ["Valkey", startValkey],
  ["Valkey (cluster, TLS)", startGuardedValkey],
] as const) {
  describe(`a ${name} server`, () => {
    let valkey: TestValkey | undefined;

    before(async function () {
      valkey = await start(await requireValkey(this));
    });

    afterEach(tearDown);

    after(() => valkey?.close());

    it("refuses the commands that ElastiCache Serverless refuses, also within scripts", async () => {
      assert.ok(valkey !== undefined);
      const connection = connectToValkey({
        ...valkey.address,
        name: "curious",
        answerTimeoutMs: 5000,
        logger: silent,
      });
      afterwards(() => {
        connection.close();
      });
      await connection.waitUntilReady();
      for (const command of REFUSED_COMMANDS) {
        const [word, ...args] = command.split(" ");
        const call = `return redis.call(${command.replaceAll(/\S+/g, "'$&'").replaceAll(" ", ", ")})`;
        const outcomes = await connection.send([
          ["call", String(word), ...args],
          ["eval", call, 1, TASKS_KEY],
        ]);
        assert.deepEqual(
          outcomes.map(({ kind }) => kind),
          ["refused", "refused"],
          command,
        );
      }
    });

    const open = (retentionOf: RetentionOf, address: Partial<ValkeyAddress> = {}): MessageLog => {
      assert.ok(valkey !== undefined);
      return createValkeyLog({
        ...valkey.address,
        ...address,
        retentionOf,
        publishTimeoutSeconds: 5,
        logger: silent,
      });
    };
    describeLogContract(name, {
      shared: true,
      open,
      // A cluster returns its own address, so that no proxy can interrupt it.
      ...(start === startValkey && {
        openInterruptible: async (retentionOf) => {
          const to = valkey?.port ?? assert.fail();
          let proxy = await startProxy({ to });
          const { port } = proxy;
          return {
            log: open(retentionOf, addressAt(port)),
            interrupt: () => proxy.close(),
            async restore() {
              proxy = await startProxy({ to, port });
            },
            release: () => proxy.close(),
          };
        },
      }),
    });
  });
}

const SCRIPTS = { openScript, appendScript, followScript, proveScript, reportScript, formatScript };

describe("the scripts in Valkey", () => {
  for (const [name, { text }] of Object.entries(SCRIPTS)) {
    it(`call no command that ElastiCache Serverless refuses: ${name}`, () => {
      const called = [...text.matchAll(/redis\.p?call\(\s*'(\w+)'/g)].map(([, command]) => command);
      assert.equal(called.length, text.split("redis.").length - 1, "a call without the name of its command");
      for (const command of called) assert.ok(isDataCommand(command), `${name} calls ${command}`);
    });
  }

  const isDataCommand = (command: string | undefined): boolean =>
    DATA_COMMANDS.some((allowed) => allowed === command?.toLowerCase());
});
