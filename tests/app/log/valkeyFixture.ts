import assert from "node:assert/strict";

import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog, ValkeyLogOptions } from "../../../app/src/log/valkey/valkeyLog.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { requireValkey, startValkey } from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";

/** A Valkey server for each test of a suite. */
export interface ValkeyFixture {
  readonly server: TestValkey;
  readonly binary: string;
  /** Opens a log, which is closed after the test. */
  open(options?: Partial<ValkeyLogOptions>): ValkeyLog;
}

export function useValkey(...[directives]: [directives?: Parameters<typeof startValkey>[1]]): ValkeyFixture {
  let server: TestValkey | undefined;
  let binary = "";

  beforeEach(async function () {
    binary = await requireValkey(this);
    const started = await startValkey(binary, directives);
    afterwards(() => started.close());
    server = started;
  });

  afterEach(tearDown);

  const fixture: ValkeyFixture = {
    get server() {
      return server ?? assert.fail("no server before the first test");
    },
    get binary() {
      return binary;
    },
    open(options) {
      const log = createValkeyLog({
        ...fixture.server.address,
        retainedMessages: 10_000,
        retainedBytes: MIB,
        retainedSeconds: 300,
        blockMs: 2000,
        publishTimeoutSeconds: 5,
        logger: silent,
        ...options,
      });
      afterwards(() => log.close());
      return log;
    },
  };
  return fixture;
}
