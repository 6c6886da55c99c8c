/** Serves the public key of development tokens to the tasks of the local stack. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AccessSettings } from "../../app/src/settings/settings.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import { developmentKey, publicPart } from "./developmentKey.ts";
import { DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, TOKEN_CLAIMS } from "./developmentToken.ts";

const JWKS_PATH = "/jwks.json";

export interface DevelopmentIssuer extends AsyncDisposable {
  /** They make our server require development tokens. */
  readonly settings: AccessSettings;
}

/**
 * Listens on a free port of this machine.
 * @param folder of the key, which is created if it does not exist.
 * @throws {ExpectedError} if the key cannot be stored.
 */
export async function startDevelopmentIssuer(folder: string): Promise<DevelopmentIssuer> {
  await developmentKey(folder);
  const http = createServer((request, response) => {
    if (request.url !== JWKS_PATH) {
      response.writeHead(404).end();
      return;
    }
    // Read for each request: `npm run token` creates a new key if the file was deleted.
    developmentKey(folder).then(
      (key) =>
        response
          .setHeader("Content-Type", "application/json")
          .end(JSON.stringify({ keys: [publicPart(key)] })),
      () => response.writeHead(500).end(),
    );
  });
  http.listen({ host: LOOPBACK, port: 0 });
  await once(http, "listening");
  const address = http.address();
  // Only a server that listens on a pipe has no such address.
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    settings: {
      access: "token",
      jwksUrl: `http://${LOOPBACK}:${port}${JWKS_PATH}`,
      jwtIssuer: DEVELOPMENT_ISSUER,
      jwtAudience: DEVELOPMENT_AUDIENCE,
      jwtChannelClaim: TOKEN_CLAIMS.both,
      jwtSubscribeClaim: TOKEN_CLAIMS.subscribe,
      jwtPublishClaim: TOKEN_CLAIMS.publish,
    },
    async [Symbol.asyncDispose]() {
      const closed = once(http, "close");
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}
