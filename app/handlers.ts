/**
 * The code of your application. Every member is optional: see docs/handlers.md for an example of each.
 *
 *     onPublish({ value, user }) {
 *       if (typeof value !== "string") throw new Rejection("not_text", "A message is a text.");
 *       return { text: value, user: user ?? "guest" };
 *     },
 */
import { defineHandlers } from "./src/handlers/index.ts";

export default defineHandlers({});
