import type { Rule } from "../rule.ts";
import { listAt, textAt, textsAt, valueAt } from "../values.ts";

const SERVERLESS_CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const REPLICATION_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup";
const CLUSTER = "aws:elasticache/cluster:Cluster";
const USER = "aws:elasticache/user:User";

/** Subnets that ElastiCache Serverless spreads over availability zones. */
const MIN_SUBNETS = 2;
/** Of Valkey and Redis, and of Memcached. */
const DEFAULT_PORTS: readonly unknown[] = [6379, 11_211];

export const cacheRules: readonly Rule[] = [
  {
    id: "AEC3",
    level: "mandatory",
    what: "Caches encrypt what they hold, and what they say.",
    why: "Messages of users pass through them, and stay for a while.",
    fix: "Set `atRestEncryptionEnabled` and `transitEncryptionEnabled`; ElastiCache Serverless always does both.",
    types: [REPLICATION_GROUP, CLUSTER],
    scope: "resource",
    *faults({ type, properties }) {
      if (valueAt(properties, "transitEncryptionEnabled") !== true) yield "it speaks without TLS";
      // A node of its own, which is no member of a group, encrypts nothing at rest.
      if (type === CLUSTER && valueAt(properties, "replicationGroupId") !== undefined) return;
      if (String(valueAt(properties, "atRestEncryptionEnabled")) !== "true") yield "it holds plain text";
    },
  },
  {
    id: "AEC4",
    level: "mandatory",
    what: "Caches live in several availability zones.",
    why: "The loss of one zone would stop every task otherwise.",
    fix: "Set `multiAzEnabled`, or give a serverless cache subnets of two zones.",
    types: [SERVERLESS_CACHE, REPLICATION_GROUP],
    scope: "resource",
    *faults({ type, properties }) {
      const several =
        type === SERVERLESS_CACHE
          ? listAt(properties, "subnetIds").length >= MIN_SUBNETS
          : valueAt(properties, "multiAzEnabled") === true;
      if (!several) yield "it lives in one availability zone";
    },
  },
  {
    id: "AEC5",
    level: "mandatory",
    what: "Caches do not answer at the port where everyone looks first.",
    why: "It spares them the attacks that try known ports only.",
    fix: "Set another `port`, where the kind of cache lets you.",
    types: [SERVERLESS_CACHE, REPLICATION_GROUP, CLUSTER],
    scope: "resource",
    *faults({ properties }) {
      const port = valueAt(properties, "port");
      if (port === undefined || DEFAULT_PORTS.includes(port)) yield "it answers at its default port";
    },
  },
  {
    id: "AEC6",
    level: "mandatory",
    what: "Caches ask who is there.",
    why: "Whoever gets into the network would read and write everything otherwise.",
    fix: "Name a user group whose users have passwords or IAM authentication.",
    types: [SERVERLESS_CACHE, REPLICATION_GROUP, USER],
    scope: "resource",
    *faults({ type, properties }) {
      if (type === USER) {
        const open =
          valueAt(properties, "noPasswordRequired") === true ||
          valueAt(properties, "authenticationMode.type") === "no-password-required" ||
          textsAt({ words: (textAt(properties, "accessString") ?? "").split(/\s+/) }, "words").includes(
            "nopass",
          );
        if (open) yield "this user needs no password";
        return;
      }
      // Whether there is one can be told before its name can.
      const keys = ["userGroupId", "userGroupIds", "authToken", "authTokenWo"];
      if (keys.every((key) => properties[key] === undefined || properties[key] === null)) {
        yield "whoever reaches it is admitted";
      }
    },
  },
];
