/** What a listener does with a request: its declared actions. */
import type { RequestHead } from "./condition.ts";
import type { Declared } from "../declared.ts";
import { valuesOf } from "../headers.ts";
import { hostName, splitTarget } from "../requestTarget.ts";

export type Action =
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

/**
 * The one action of a list of them.
 * @throws {Error} where it cannot be played.
 */
export function readAction(owner: Declared, key: string): Action {
  const [action, ...others] = owner.list(key);
  if (action === undefined || others.length > 0) {
    throw new Error(`${owner.where}: ${key} must hold one action to be played here.`);
  }
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

function readTargetGroupArn(action: Declared): string {
  if (action.has("targetGroupArn")) return action.text("targetGroupArn");
  const [group, ...others] = action.object("forward").list("targetGroups");
  if (group === undefined || others.length > 0) {
    throw new Error(`${action.where}: only a forward to one target group is played here.`);
  }
  return group.text("arn");
}

/** The listener that a request came in by. */
export interface CameBy {
  readonly protocol: string;
  /** As declared. */
  readonly port: number;
}

/**
 * The Location of a redirect, its placeholders filled from the request.
 * @param localPort port of this machine that plays a declared one; the declared one itself where none does.
 */
export function redirectLocation(
  parts: RedirectParts,
  request: RequestHead,
  { protocol, port }: CameBy,
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
