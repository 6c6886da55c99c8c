import type { Rule } from "../rule.ts";
import { listAt, textAt, textsAt, valueAt } from "../values.ts";

const SERVERLESS_CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const REPLICATION_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup";
const CLUSTER = "aws:elasticache/cluster:Cluster";
const USER = "aws:elasticache/user:User";

/** Minimum number of subnets, which are in different availability zones. */
const MIN_SUBNETS = 2;
/** Default ports of Valkey and Redis, and of Memcached. */
const DEFAULT_PORTS: readonly unknown[] = [6379, 11_211];

export const cacheRules: readonly Rule[] = [
  {
    id: "AEC3",
    level: "mandatory",
    what: "Caches encrypt data at rest and in transit.",
    why: "They store and transmit the messages of users.",
    fix: "Set `atRestEncryptionEnabled` and `transitEncryptionEnabled`. ElastiCache Serverless always encrypts both.",
    types: [REPLICATION_GROUP, CLUSTER],
    scope: "resource",
    *check({ type, properties }) {
      if (valueAt(properties, "transitEncryptionEnabled") !== true) yield "data in transit is not encrypted";
      // Only a member of a replication group can encrypt data at rest.
      if (type === CLUSTER && valueAt(properties, "replicationGroupId") !== undefined) return;
      if (String(valueAt(properties, "atRestEncryptionEnabled")) !== "true")
        yield "data at rest is not encrypted";
    },
  },
  {
    id: "AEC4",
    level: "mandatory",
    what: "Caches use several availability zones.",
    why: "Otherwise a failure of one zone stops all tasks.",
    fix: "Set `multiAzEnabled`, or set subnets in two zones for a serverless cache.",
    types: [SERVERLESS_CACHE, REPLICATION_GROUP],
    scope: "resource",
    *check({ type, properties }) {
      const several =
        type === SERVERLESS_CACHE
          ? listAt(properties, "subnetIds").length >= MIN_SUBNETS
          : valueAt(properties, "multiAzEnabled") === true;
      if (!several) yield "it uses one availability zone";
    },
  },
  {
    id: "AEC5",
    level: "mandatory",
    what: "Caches do not use their default port.",
    why: "Some attacks try only default ports.",
    fix: "Set another `port`, if the type of cache supports it.",
    types: [SERVERLESS_CACHE, REPLICATION_GROUP, CLUSTER],
    scope: "resource",
    *check({ properties }) {
      const port = valueAt(properties, "port");
      if (port === undefined || DEFAULT_PORTS.includes(port)) yield "it uses its default port";
    },
  },
  {
    id: "AEC6",
    level: "mandatory",
    what: "Caches require authentication.",
    why: "Otherwise every client in the network can read and write all data.",
    fix: "Set a user group whose users have passwords or IAM authentication.",
    types: [SERVERLESS_CACHE, REPLICATION_GROUP, USER],
    scope: "resource",
    *check({ type, properties }) {
      if (type === USER) {
        const open =
          valueAt(properties, "noPasswordRequired") === true ||
          valueAt(properties, "authenticationMode.type") === "no-password-required" ||
          textsAt({ words: (textAt(properties, "accessString") ?? "").split(/\s+/) }, "words").includes(
            "nopass",
          );
        if (open) yield "this user requires no password";
        return;
      }
      // The property exists before its value is known.
      const keys = ["userGroupId", "userGroupIds", "authToken", "authTokenWo"];
      if (keys.every((key) => properties[key] === undefined || properties[key] === null)) {
        yield "it requires no authentication";
      }
    },
  },
];
