/** `npm run soak`: the soak with 1,000 clients, and a table of its figures. It takes 3 to 8 minutes. */
import assert from "node:assert/strict";
import { findValkeyServer } from "../../cli/valkeyServer.ts";
import { statusLineOn } from "../../load-test/parts/statusLine.ts";
import { tearDown } from "../app/support/teardown.ts";
import { type Phase, runSoak } from "./soak.ts";

const FULL = { clients: 1000, deployments: 10, kills: 5, maxTasks: 5 };

const statusLine = statusLineOn(process.stderr);
const number = new Intl.NumberFormat("en-US");
const NAME_WIDTH = 40;
const NUMBER_WIDTH = 12;

function row(name: string, ...cells: readonly string[]): string {
  return name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(NUMBER_WIDTH)).join("");
}

function printPhase({ name, seconds, reconnects }: Phase): void {
  statusLine.clear();
  console.log(row(name, seconds.toFixed(0), number.format(reconnects)));
}

const valkeyServer = await findValkeyServer(process.env["PATH"]);
assert.ok(valkeyServer, "The soak needs a valkey-server. Fix: install the package valkey");
console.log(row(`${number.format(FULL.clients)} clients`, "seconds", "reconnects"));
try {
  const figures = await runSoak({
    ...FULL,
    valkeyServer,
    onStep: (text) => {
      statusLine.show(text);
    },
    onPhase: printPhase,
  });
  const { messages, deliveries, lost, reportedMissing, duplicates, contradictions, longestPauseMs } = figures;
  console.log(
    [
      "",
      `${number.format(messages)} messages, ${number.format(deliveries)} deliveries`,
      `lost ${lost + reportedMissing}, doubled ${duplicates}, out of order ${contradictions.length}`,
      `longest time without a message: ${(longestPauseMs / 1000).toFixed(1)} s`,
      ...contradictions,
    ].join("\n"),
  );
  if (lost + reportedMissing + duplicates + contradictions.length > 0) process.exitCode = 1;
} finally {
  statusLine.clear();
  await tearDown();
}
