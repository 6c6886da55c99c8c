import { ACCESS_STRING, USER_NAME } from "../../infra/components/backplane/valkeyAccess.ts";
import { startStandIn } from "../../local/stand-in-valkey/server.ts";
import { connectAdmin, PASSWORD, type TestStore } from "./valkey.ts";

/** Starts the embedded stand-in for Valkey in this process, with the user that the program declares. */
export async function startStandInStore(): Promise<TestStore> {
  const standIn = await startStandIn({ name: USER_NAME, password: PASSWORD, access: ACCESS_STRING });
  const client = connectAdmin(standIn.port, { username: USER_NAME, password: PASSWORD });
  return {
    port: standIn.port,
    command: (name, ...args) => client.call(name, args),
    async close() {
      client.disconnect();
      await standIn.close();
    },
  };
}
