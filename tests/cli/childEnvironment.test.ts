import assert from "node:assert/strict";
import { childEnvironment } from "../../cli/childEnvironment.ts";

describe("the environment of child processes", () => {
  it("has what they need to start and to reach the internet, and neither settings nor secrets", () => {
    const needed = {
      PATH: "/bin",
      TMPDIR: "/tmp",
      NODE_EXTRA_CA_CERTS: "/ca.pem",
      HTTPS_PROXY: "http://proxy:3128",
      no_proxy: "localhost",
    };
    const others = {
      AWS_SECRET_ACCESS_KEY: "secret",
      PORT: "1",
      WEBSOCKET_PORT: "tcp://10.0.0.1:1",
      LC_ALL: "xx_XX",
    };
    assert.deepEqual(childEnvironment({ ...needed, ...others }), { ...needed, LC_ALL: "C" });
  });
});
