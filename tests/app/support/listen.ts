import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

import { afterwards } from "./teardown.ts";

/** Listens on a free port until the end of the test, and returns the port. */
export async function listen(http: Server): Promise<number> {
  afterwards(() => {
    http.close();
    http.closeAllConnections();
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  return (http.address() as AddressInfo).port;
}
