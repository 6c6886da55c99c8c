import assert from "node:assert/strict";
import { selectService } from "../../../local/model/selectService.ts";
import { SERVICE_TYPE } from "../../../local/model/service.ts";
import { graphOf, resource } from "../support/graph.ts";

const COMPONENT = "websocket:index:WebSocketService";

describe("the choice of a service", () => {
  const [chat, news] = ["chat", "news"].map((name) => resource(COMPONENT, name, {})) as [
    ReturnType<typeof resource>,
    ReturnType<typeof resource>,
  ];
  const service = { ...resource(SERVICE_TYPE, "chat-service", {}), parent: chat.urn };
  const other = { ...resource(SERVICE_TYPE, "news-service", {}), parent: news.urn };
  const bucket = resource("aws:s3/bucket:Bucket", "shared", {});
  const alarm = {
    ...resource("aws:cloudwatch/metricAlarm:MetricAlarm", "news", {}),
    dependencies: [other.urn],
  };
  const graph = graphOf([chat, news, service, other, bucket, alarm]);

  it("keeps the graph of a stack with one service", () => {
    const single = graphOf([chat, service]);
    assert.equal(selectService(single), single);
  });

  it("removes the component of the other service, and what depends on it", () => {
    for (const name of ["chat", "chat-service"]) {
      assert.deepEqual(
        selectService(graph, name).resources.map(({ name }) => name),
        ["chat", "chat-service", "shared"],
      );
    }
  });

  it("lists the services if none is named, or none has the name", () => {
    assert.throws(() => selectService(graph), {
      message:
        "`--service`: got nothing; expected one of the services of stack test: chat, news. Fix: pass `--service chat`",
    });
    assert.throws(() => selectService(graph, "mail"), /got mail; expected one of .*chat, news/);
  });

  it("names the services of a component first, and suggests one of them", () => {
    const foreign = resource(SERVICE_TYPE, "api", {});
    assert.throws(() => selectService(graphOf([foreign, chat, service])), {
      message:
        "`--service`: got nothing; expected one of the services of stack test: chat, api. Fix: pass `--service chat`",
    });
  });

  it("rejects services with the same name", () => {
    const again = { ...service, urn: "urn:other" };
    assert.throws(() => selectService(graphOf([chat, service, again]), "chat"), {
      message: /^Stack test: got several services with the name chat; expected unique names\./,
    });
  });
});
