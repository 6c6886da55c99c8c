/** Actions of listeners and listener rules. */
import type { RequestHead } from "./condition.ts";
import type { FieldReader } from "../fieldReader.ts";
import { valuesOf } from "../headers.ts";
import { hostName, splitTarget } from "../requestTarget.ts";

export type ListenerAction =
  | { readonly type: "forward"; readonly targetGroupArn: string }
  | {
      readonly type: "fixed-response";
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    }
  | { readonly type: "redirect"; readonly status: number; readonly location: RedirectParts };

export interface RedirectParts {
  readonly protocol: string;
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly query: string;
}

/** @throws {ExpectedError} if the list has another number of actions than one, or the local stack cannot emulate the action. */
export function readAction(owner: FieldReader, key: string): ListenerAction {
  const action = owner.onlyItem(key, "action");
  const type = action.choice("type", ["forward", "fixed-response", "redirect"]);
  switch (type) {
    case "forward":
      return { type, targetGroupArn: readTargetGroupArn(action) };
    case "fixed-response": {
      const response = action.object("fixedResponse");
      return {
        type,
        status: response.number("statusCode"),
        contentType: response.text("contentType"),
        body: response.text("messageBody", ""),
      };
    }
    case "redirect": {
      const redirect = action.object("redirect");
      return {
        type,
        status: Number(redirect.text("statusCode").replace("HTTP_", "")),
        location: {
          protocol: redirect.text("protocol", "#{protocol}"),
          host: redirect.text("host", "#{host}"),
          port: redirect.text("port", "#{port}"),
          path: redirect.text("path", "/#{path}"),
          query: redirect.text("query", "#{query}"),
        },
      };
    }
  }
}

function readTargetGroupArn(action: FieldReader): string {
  if (action.has("targetGroupArn")) return action.text("targetGroupArn");
  return action.object("forward").onlyItem("targetGroups", "target group").text("arn");
}

/** The listener that has received a request. */
export interface ReceivingListener {
  readonly protocol: string;
  /** The declared port. */
  readonly port: number;
}

/**
 * The Location of a redirect. Its placeholders have the values of the request.
 * @param localPort returns the local port of a declared one, or the declared one if no local port stands for it.
 */
export function redirectLocation(
  parts: RedirectParts,
  request: RequestHead,
  { protocol, port }: ReceivingListener,
  localPort: (declared: number) => number,
): string {
  const { path, query } = splitTarget(request.target);
  const values: Readonly<Record<string, string>> = {
    protocol,
    host: hostName(valuesOf(request.headers, "host")[0] ?? ""),
    port: String(port),
    path: path.slice(1),
    query,
  };
  const fill = (text: string): string =>
    text.replaceAll(/#\{(\w+)\}/g, (all, name: string) => values[name] ?? all);
  const filledQuery = fill(parts.query);
  return (
    `${fill(parts.protocol).toLowerCase()}://${fill(parts.host)}:${localPort(Number(fill(parts.port)))}` +
    fill(parts.path) +
    (filledQuery && `?${filledQuery}`)
  );
}
