/** An Apollo server on one port: queries and mutations over HTTP, subscriptions over WebSocket. */
import { createServer } from "node:http";
import { hostname } from "node:os";
import path from "node:path";
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginDrainHttpServer } from "@apollo/server/plugin/drainHttpServer";
import { expressMiddleware } from "@as-integrations/express5";
import express from "express";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { openMessages } from "./messages.ts";
import { createSchema } from "./schema.ts";
import { connectToValkey } from "./valkey.ts";

const { PORT = "4000" } = process.env;
const PATH = "/graphql";

/** Less than every idle timeout on the way: 120 s at the load balancer (`idleTimeoutSeconds`), and 10 minutes at CloudFront. */
const PING_MS = 30_000;
/** More than the load balancer's idle timeout. Otherwise, it sends requests on connections that Node is closing. */
const KEEP_ALIVE_MS = 130_000;
/** The default of ws is 100 MiB. */
const MAX_FRAME_BYTES = 64 * 1024;

const task = `${hostname()}/${process.pid}`;
const messages = await openMessages(connectToValkey());
const schema = createSchema(messages, task);

const app = express();
const httpServer = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
const webSockets = new WebSocketServer({ server: httpServer, path: PATH, maxPayload: MAX_FRAME_BYTES });
// The acknowledgement of a connection names the task, which the page shows.
const subscriptions = useServer({ schema, onConnect: () => ({ task }) }, webSockets, PING_MS);

const apollo = new ApolloServer({
  schema,
  stopOnTerminationSignals: false,
  plugins: [
    ApolloServerPluginDrainHttpServer({ httpServer }),
    // Closes the WebSockets with 1001. Their clients connect and subscribe again, to another task.
    { serverWillStart: async () => ({ drainServer: async () => subscriptions.dispose() }) },
  ],
});
await apollo.start();

app.get("/health", (_, response) => {
  response.send("ok");
});
app.use(PATH, express.json(), expressMiddleware(apollo));
app.use("/graphql-ws", express.static(path.join(import.meta.dirname, "node_modules/graphql-ws/dist")));
app.use(express.static(path.join(import.meta.dirname, "public")));
httpServer.listen(Number(PORT));

// The load balancer sends no new connections when ECS sends SIGTERM.
process.once("SIGTERM", async () => {
  await apollo.stop();
  messages.close();
});
