/** Starts the valkey-server of this machine, prints its process id, and runs until it is killed. */
import { findValkeyServer, startValkeyServer } from "../../../cli/valkeyServer.ts";

const binary = await findValkeyServer(process.env["PATH"]);
if (binary !== undefined) {
  const { pid } = await startValkeyServer({ binary });
  console.log(pid);
}
