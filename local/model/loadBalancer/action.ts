/** Actions of listeners and listener rules. */
import type { RequestHead } from "./condition.ts";
import type { FieldReader } from "../fieldReader.ts";
import { valuesOf } from "../headers.ts";
import { hostName, splitTarget } from "../requestTarget.ts";

/** The weight of a target group without one. */
const DEFAULT_WEIGHT = 1;

export type ListenerAction =
  | ForwardAction
  | {
      readonly type: "fixed-response";
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    }
  | { readonly type: "redirect"; readonly status: number; readonly location: RedirectParts };

export interface ForwardAction {
  readonly type: "forward";
  readonly targetGroups: readonly WeightedTargetGroup[];
  /** Time for which a client stays with a target group; `undefined` without stickiness. */
  readonly stickySeconds: number | undefined;
}

export interface WeightedTargetGroup {
  readonly arn: string;
  readonly weight: number;
}

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
      return readForward(action);
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

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html#forward-actions */
function readForward(action: FieldReader): ForwardAction {
  if (!action.has("forward")) {
    const targetGroups = [{ arn: action.text("targetGroupArn"), weight: DEFAULT_WEIGHT }];
    return { type: "forward", targetGroups, stickySeconds: undefined };
  }
  const forward = action.object("forward");
  const stickiness = forward.objectOrEmpty("stickiness");
  const targetGroups = forward
    .list("targetGroups")
    .map((group) => ({ arn: group.text("arn"), weight: group.number("weight", DEFAULT_WEIGHT) }));
  if (targetGroups.length === 0) throw forward.unsupportedError("targetGroups", "a target group");
  return {
    type: "forward",
    targetGroups,
    stickySeconds: stickiness.flag("enabled", false) ? stickiness.number("duration") : undefined,
  };
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
