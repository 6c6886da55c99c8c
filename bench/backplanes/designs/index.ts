/** The compared designs by name, in the order of the tables. */
import type { Design } from "../backplane.ts";
import { groups } from "./groups.ts";
import { pushDesign } from "./push.ts";
import { tailOfAll, tailOfFollowers } from "./tail.ts";

export const DESIGNS = {
  groups,
  push: pushDesign({
    title: "sharded pub/sub of each entry, a subscription per channel",
    publish: "SPUBLISH",
    per: "channel",
  }),
  "push-all": pushDesign({
    title: "sharded pub/sub of each entry, a subscription per partition: every task receives every message",
    publish: "SPUBLISH",
    per: "partition",
  }),
  broadcast: pushDesign({
    title: "pub/sub of each entry, which all nodes of the cluster receive",
    publish: "PUBLISH",
    per: "channel",
  }),
  tail: tailOfAll,
  inbox: tailOfFollowers,
} as const satisfies Readonly<Record<string, Design>>;

export type DesignName = keyof typeof DESIGNS;
