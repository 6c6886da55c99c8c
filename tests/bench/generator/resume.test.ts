import assert from "node:assert/strict";

import { runResume } from "../../../bench/generator/broadcast/resume.ts";
import type { ResumeFigures } from "../../../bench/generator/runs.ts";
import { startChannelsServer } from "./channelsServer.ts";

const RUN = { kind: "resume", clients: 5, behind: 50, messageBytes: 64 } as const;
const HEARTBEAT = '{"heartbeat":30}';

type History = (missed: readonly string[]) => readonly string[];

async function resume(history: History): Promise<ResumeFigures> {
  await using server = await startChannelsServer({ history });
  return await runResume(RUN, server.target);
}

describe("a run of the benchmark with clients that resume", () => {
  it("counts the missed messages", async () => {
    const figures = await resume((missed) => missed);
    assert.equal(figures.deliveries, RUN.clients * RUN.behind);
    assert.ok(figures.seconds > 0);
  });

  it("accepts heartbeats between the missed messages", async () => {
    const figures = await resume((missed) => missed.flatMap((frame) => [HEARTBEAT, frame]));
    assert.equal(figures.deliveries, RUN.clients * RUN.behind);
  });

  for (const [what, history] of Object.entries<History>({
    "is lost": (missed) => missed.toSpliced(20, 1),
    "arrives twice": (missed) => missed.toSpliced(20, 0, missed[19] ?? ""),
    "arrives twice at the end": (missed) => [...missed, missed.at(-1) ?? ""],
    "is altered": (missed) => missed.with(20, missed[20]?.replace("abc", "abd") ?? ""),
  })) {
    it(`is void when a message ${what}`, async () => {
      await assert.rejects(resume(history), /a message was lost, repeated or altered/);
    });
  }
});
