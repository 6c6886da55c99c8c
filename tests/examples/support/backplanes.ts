/** The backplanes for an image of a user: a Valkey with the user that the program declares for it, as the environment of a task. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { GENERAL_ACCESS_STRING } from "../../../infra/components/backplane/valkeyAccess.ts";
import { startStandIn } from "../../../local/stand-in-valkey/server.ts";
import { requireValkey, startGuardedValkey, startValkey } from "../../support/valkey.ts";

const USER = "image";
const PASSWORD = "password";

export interface Backplane extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
}

export const BACKPLANES = ["a single server", "a cluster with TLS", "the stand-in"] as const;

/** A Valkey server, a cluster with TLS as ElastiCache Serverless is, or the stand-in of the local stack. */
export async function startBackplane(
  test: Mocha.Context,
  kind: (typeof BACKPLANES)[number],
): Promise<Backplane> {
  if (kind === "the stand-in") {
    const standIn = await startStandIn({ name: USER, password: PASSWORD, access: GENERAL_ACCESS_STRING });
    return {
      environment: {
        VALKEY_URL: `redis://${USER}@127.0.0.1:${standIn.port}`,
        VALKEY_PASSWORD: PASSWORD,
        VALKEY_CLUSTER: "true",
      },
      [Symbol.asyncDispose]: () => standIn.close(),
    };
  }
  const binary = await requireValkey(test);
  const valkey = await (kind === "a cluster with TLS" ? startGuardedValkey(binary) : startValkey(binary));
  await valkey.command("ACL", "SETUSER", USER, `>${PASSWORD}`, ...GENERAL_ACCESS_STRING.split(" "));
  const { url, cluster, ca } = valkey.address;
  const folder = await mkdtemp(path.join(tmpdir(), "websocket-authority-"));
  const authority = path.join(folder, "ca.pem");
  if (ca !== undefined) await writeFile(authority, ca);
  return {
    environment: {
      VALKEY_URL: url.replace(/\/\/[^@]*@/, `//${USER}@`),
      VALKEY_PASSWORD: PASSWORD,
      VALKEY_CLUSTER: String(cluster),
      ...(ca !== undefined && { NODE_EXTRA_CA_CERTS: authority }),
    },
    async [Symbol.asyncDispose]() {
      await valkey.close();
      await rm(folder, { recursive: true });
    },
  };
}
