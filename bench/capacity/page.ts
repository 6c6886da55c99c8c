/** The generated part of docs/capacity.md. */
import { KIB } from "../../app/src/settings/units.ts";
import type { Machine } from "../results.ts";
import { renderMachine, table } from "../tables.ts";
import type { Costs } from "./costs.ts";
import { describeSizes } from "./sizes.ts";

const START = "<!-- npm run bench -- --capacity -->";
const END = "<!-- end of capacity -->";
const MICROSECONDS = 1e6;
const MIB_PER_GIB = 1024;

/** @throws {Error} if the page has no generated part. */
export function replaceCapacity(page: string, part: string): string {
  const [before, ...rest] = page.split(START);
  const after = rest.join(START).split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`The page has no ${START} and ${END}.`);
  return `${before}${START}\n\n${part}\n${END}${after}`;
}

export function renderCapacity(costs: Costs, machine: Machine, at: Date): string {
  return [
    `Measured on ${at.toISOString().slice(0, 10)}: ${renderMachine(machine)}`,
    table([
      ["Cost", "Measured"],
      ["memory of an idle connection", `${(costs.idleBytes / KIB).toFixed(1)} KiB`],
      ["CPU of a handshake", micros(costs.handshake)],
      ["CPU of a heartbeat and its answer", micros(costs.heartbeat)],
      ["CPU of a message to one client, alone", micros(costs.alone.message)],
      ["CPU of a message to one client, with others", micros(costs.together.message)],
      ["CPU of each further delivery, alone", micros(costs.alone.delivery)],
      ["CPU of each further delivery, with others", micros(costs.together.delivery)],
    ]),
    table([
      ["vCPU", "GiB", "cache MiB", "connections", "handshakes/s", "messages/s", "deliveries/s"],
      ...describeSizes(costs).map((size) => [
        String(size.vcpus),
        String(size.memoryMiB / MIB_PER_GIB),
        String(size.cacheMib),
        rounded(size.connections),
        rounded(size.handshakes),
        `${rounded(size.alone.messages)} to ${rounded(size.together.messages)}`,
        `${rounded(size.alone.deliveries)} to ${rounded(size.together.deliveries)}`,
      ]),
    ]),
  ].join("\n");
}

function micros(seconds: number): string {
  const value = seconds * MICROSECONDS;
  return `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)} µs`;
}

/** Two digits, rounded down. */
function rounded(value: number): string {
  if (value < 1) return "0";
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return (Math.floor(value / unit) * unit).toLocaleString("en-US");
}
