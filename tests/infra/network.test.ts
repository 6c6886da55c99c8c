import assert from "node:assert/strict";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { theOnly } from "../../infra/evaluation/graph.ts";
import { standInsFor } from "../../infra/evaluation/standIns.ts";

describe("the network", () => {
  for (const region of ["us-east-1", "eu-west-1"]) {
    it(`is in two zones of ${region} that every account has, also if the account opted in to a local zone`, async () => {
      const graph = await evaluateStack({ stack: "dev", config: { "aws:region": region } });

      assert.deepEqual(theOnly(graph, "awsx:ec2:Vpc").inputs["availabilityZoneNames"], [
        `${region}a`,
        `${region}b`,
      ]);
      // AWS sorts by name, so without the filter the local zone would be among them.
      const { names } = standInsFor(region).call("aws:index/getAvailabilityZones:getAvailabilityZones", {});
      assert.ok(Array.isArray(names) && String(names[0]).startsWith(`${region}-`));
    });
  }
});
