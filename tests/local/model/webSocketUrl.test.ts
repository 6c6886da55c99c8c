import assert from "node:assert/strict";
import path from "node:path";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { selectService } from "../../../local/model/selectService.ts";
import { findWebSocketUrl } from "../../../local/model/webSocketUrl.ts";

const root = path.join(import.meta.dirname, "../fixtures/two-services");

describe("the URL of the declared service", function () {
  this.timeout(60_000);

  it("is that of its component, also if the program exports none", async () => {
    const graph = { ...(await evaluateStack({ stack: "dev", root })), outputs: {} };
    for (const [service, pathname] of Object.entries({ chat: "/wss", news: "/news" })) {
      assert.equal(findWebSocketUrl(selectService(graph, service))?.pathname, pathname);
    }
  });
});
