/** The rules of the argument `image`. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import type { Problem } from "../../../app/src/settings/problem.ts";
import {
  checkEntries,
  checkFields,
  choice,
  integer,
  isObject,
  problemOf,
  record,
  text,
  words,
} from "./fields.ts";
import type { Field, Values } from "./fields.ts";

/** Variables that another server gets, besides those of the user. */
export const OWN_VARIABLES = {
  port: "PORT",
  valkeyUrl: "VALKEY_URL",
  valkeyCluster: "VALKEY_CLUSTER",
  valkeyPassword: "VALKEY_PASSWORD",
} as const;

/** A task definition has at most 64 KiB, so this is more than it can contain. */
const MAX_ENTRIES = 200;
const MAX_WORDS = 100;
const MAX_PORT = 65_535;
const MAX_STICKINESS_SECONDS = 604_800;

const VARIABLE_NAME = /^[A-Za-z_]\w{0,254}$/;

/** An image as Docker writes it. @see https://pkg.go.dev/github.com/distribution/reference */
const IMAGE_URI =
  /^(?=.{1,512}$)(?:[a-zA-Z0-9.-]+(?::\d{1,5})?\/)?[a-z0-9._-]+(?:\/[a-z0-9._-]+)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** An absolute path of a URL. The health check of a target group has at most 1,024 characters. */
const URL_PATH = text(/^\/[!-"$-~]{0,1023}$/, "a path that starts with /, such as /graphql");

/** ARN of a parameter or of a secret, which can end in `:JSON_KEY:VERSION_STAGE:VERSION_ID`. */
const SECRET_ARN =
  /^arn:aws:(?:ssm:[\w-]+:\d{12}:parameter\/\S{1,1011}|secretsmanager:[\w-]+:\d{12}:secret:[^\s:]{1,512}(?::[^\s:]{0,256}){0,3})$/;

const FOLDER = text(/^[^\0]{1,1024}$/, "the path of a folder");

const FIELDS: Readonly<Record<string, Field>> = {
  uri: {
    ...text(
      IMAGE_URI,
      "an image without a scheme, such as 123456789012.dkr.ecr.us-east-1.amazonaws.com/chat:v1",
    ),
    isInput: true,
  },
  build: { isLegal: isObject, expected: 'an object such as { context: "./server" }' },
  command: words(MAX_WORDS),
  port: integer(1, MAX_PORT, "port"),
  path: URL_PATH,
  healthPath: URL_PATH,
  healthCommand: words(MAX_WORDS),
  stickinessSeconds: integer(1, MAX_STICKINESS_SECONDS, "seconds"),
  environment: record(MAX_ENTRIES),
  secrets: record(MAX_ENTRIES),
  cpuArchitecture: choice(["ARM64", "X86_64"]),
};

const BUILD_FIELDS: Readonly<Record<string, Field>> = {
  context: FOLDER,
  dockerfile: text(/^(?!\/)[^\0]{1,1024}$/, "a path in the build context, such as Dockerfile"),
  target: text(/^[\w.-]{1,128}$/, "the name of a stage"),
  args: record(MAX_ENTRIES),
};

const VARIABLE: Field = { ...text(/^[^\0]{0,32768}$/, "text"), isInput: true };
const SECRET: Field = {
  ...text(SECRET_ARN, "the ARN of an SSM parameter or of a secret"),
  isInput: true,
};

/**
 * Returns a problem for each rule that an own image breaks.
 * @param hasBackplane whether the tasks have a Valkey cache.
 */
export function checkServerImage(image: unknown, hasBackplane: boolean): readonly Problem[] {
  if (!isObject(image))
    return [problemOf("image", image, 'an object such as { build: { context: "./server" } }')];
  return [
    ...checkFields("image", image, FIELDS),
    ...checkSource(image),
    ...checkVariables(image, hasBackplane),
  ];
}

function checkSource({ uri, build }: Values): readonly Problem[] {
  if ((uri === undefined) === (build === undefined)) {
    const got = uri === undefined ? "neither uri nor build" : "both uri and build";
    return [{ key: "image", got, expected: "exactly one of them", fix: [] }];
  }
  if (!isObject(build)) return [];
  const { context, dockerfile = "Dockerfile" } = build;
  if (context === undefined) return [problemOf("image.build.context", context, FOLDER.expected)];
  const problems = [
    ...checkFields("image.build", build, BUILD_FIELDS),
    ...checkEntries("image.build.args", build["args"], VARIABLE_NAME, { ...VARIABLE, isInput: false }),
  ];
  if (problems.length > 0 || typeof context !== "string" || typeof dockerfile !== "string") return problems;
  return checkFiles(context, dockerfile);
}

function checkFiles(context: string, dockerfile: string): readonly Problem[] {
  if (statSync(context, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return [problemOf("image.build.context", context, `an existing folder, relative to ${process.cwd()}`)];
  }
  if (existsSync(path.join(context, dockerfile))) return [];
  return [problemOf("image.build.dockerfile", dockerfile, `a file in ${context}`)];
}

function checkVariables({ environment, secrets }: Values, hasBackplane: boolean): readonly Problem[] {
  const { port, ...ofBackplane } = OWN_VARIABLES;
  const reserved: readonly string[] = [port, ...(hasBackplane ? Object.values(ofBackplane) : [])];
  const namesIn = (values: unknown): readonly string[] => (isObject(values) ? Object.keys(values) : []);
  const problems = [
    ...checkEntries("image.environment", environment, VARIABLE_NAME, VARIABLE),
    ...checkEntries("image.secrets", secrets, VARIABLE_NAME, SECRET),
  ];
  for (const [key, values] of [
    ["image.environment", environment],
    ["image.secrets", secrets],
  ] as const) {
    for (const name of namesIn(values).filter((one) => reserved.includes(one))) {
      const expected = `another name: ${name === port ? "image.port" : "backplane valkey"} sets this variable`;
      problems.push({ key: `${key}.${name}`, got: "a value", expected, fix: [{ remove: `${key}.${name}` }] });
    }
  }
  for (const name of namesIn(secrets).filter((one) => namesIn(environment).includes(one))) {
    const expected = `the variable once: image.environment.${name} sets it too`;
    problems.push({ key: `image.secrets.${name}`, got: "a value", expected, fix: [] });
  }
  return problems;
}
