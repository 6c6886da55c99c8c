/** Records which inputs of a declared graph the local stack reads, so that it can report the others. */
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";

/** An input that is neither a list nor an object. */
export interface DeclaredInput {
  /** Such as `origins[].customHeaders[].value`: all items of a list have one path, because they have the same form. */
  readonly path: string;
  readonly value: unknown;
}

export interface InputReads {
  /** The same graph. It records which inputs are read. */
  readonly graph: DeclaredGraph;
  /** The inputs that were not read up to now, by the URN of their resource. */
  unread(): ReadonlyMap<string, readonly DeclaredInput[]>;
}

export function recordReads(graph: DeclaredGraph): InputReads {
  const resources = graph.resources.map((resource) => ({ resource, reads: new Set<string>() }));
  return {
    graph: {
      ...graph,
      resources: resources.map(({ resource, reads }) => ({
        ...resource,
        inputs: recorded(resource.inputs, "", reads),
      })),
    },
    unread() {
      return new Map(
        resources.map(({ resource, reads }) => [
          resource.urn,
          inputsIn(resource.inputs, "").filter(({ path }) => !reads.has(path)),
        ]),
      );
    },
  };
}

function recorded<T extends object>(value: T, path: string, reads: Set<string>): T {
  return new Proxy(value, {
    get(target, key, receiver) {
      const member: unknown = Reflect.get(target, key, receiver);
      if (typeof key === "symbol" || !Object.hasOwn(target, key)) return member;
      const inside = memberPath(target, path, key);
      if (isContainer(member)) return recorded(member, inside, reads);
      reads.add(inside);
      return member;
    },
  });
}

function inputsIn(value: unknown, path: string): readonly DeclaredInput[] {
  if (value === undefined || value === null) return [];
  if (!isContainer(value)) return [{ path, value }];
  return Object.entries(value).flatMap(([key, member]) => inputsIn(member, memberPath(value, path, key)));
}

function memberPath(container: object, path: string, key: string): string {
  if (Array.isArray(container)) return `${path}[]`;
  return path === "" ? key : `${path}.${key}`;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
