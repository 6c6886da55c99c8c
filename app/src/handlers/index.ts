/** What `app/handlers.ts` can import. docs/handlers.md has an example of each. */
export type {
  DisconnectOptions,
  HandlerContext,
  History,
  HistoryMessage,
  HistoryRequest,
  JsonValue,
  Position,
  PublishOptions,
  Storable,
} from "./context.ts";
export { defineHandlers } from "./handlers.ts";
export type {
  Authorization,
  AuthorizeRequest,
  Claims,
  Client,
  Handlers,
  PublishEvent,
  SubscriptionEvent,
} from "./handlers.ts";
export { Rejection } from "./rejection.ts";
