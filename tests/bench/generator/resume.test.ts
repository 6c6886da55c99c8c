import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

import { WebSocketServer } from "ws";

import { runResume } from "../../../bench/generator/resume.ts";
import type { ResumeFigures } from "../../../bench/generator/runs.ts";

const RUN = { kind: "resume", clients: 5, behind: 50, messageBytes: 64 } as const;
const EPOCH = "an epoch";

/** Runs against a server of `resume.v1` that sends `history` to every client that resumes. */
async function resume(history: (missed: readonly string[]) => readonly string[]): Promise<ResumeFigures> {
  const log: string[] = [];
  const server = new WebSocketServer({ port: 0, host: "localhost" });
  server.on("connection", (socket, request: IncomingMessage) => {
    const { searchParams } = new URL(request.url ?? "", "ws://localhost");
    const resumes = searchParams.get("epoch") === EPOCH;
    const offset = resumes ? Number(searchParams.get("offset")) : log.length;
    socket.send(JSON.stringify({ connection: "ok", epoch: EPOCH, offset, heartbeat: 30 }));
    if (resumes) for (const frame of history(log.slice(offset))) socket.send(frame);
    socket.on("message", (data: Buffer) => {
      const { publish } = JSON.parse(data.toString()) as { publish: unknown };
      const frame = JSON.stringify({ message: publish, offset: log.length + 1 });
      log.push(frame);
      for (const client of server.clients) client.send(frame);
    });
  });
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    return await runResume(RUN, {
      host: "localhost",
      ports: [port],
      hasTls: false,
      pids: [process.pid],
      protocol: "plain",
    });
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
  }
}

describe("a run of the benchmark with clients that resume", () => {
  it("counts the missed messages", async () => {
    const figures = await resume((missed) => missed);
    assert.equal(figures.deliveries, RUN.clients * RUN.behind);
    assert.ok(figures.seconds > 0);
  });

  for (const [what, history] of Object.entries<Parameters<typeof resume>[0]>({
    "is lost": (missed) => missed.toSpliced(20, 1),
    "arrives twice": (missed) => missed.toSpliced(20, 0, missed[19] ?? ""),
    "arrives twice at the end": (missed) => [...missed, missed.at(-1) ?? ""],
    "is altered": (missed) => missed.with(20, missed[20]?.replace("x", "y") ?? ""),
  })) {
    it(`is void when a message ${what}`, async () => {
      await assert.rejects(resume(history), /a message was lost, repeated or altered/);
    });
  }
});
