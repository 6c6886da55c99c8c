import assert from "node:assert/strict";

import fc from "fast-check";

import { nearest } from "../../../app/src/settings/nearest.ts";
import {
  fromEnvironment,
  ignoredVariables,
  SettingsError,
  toEnvironment,
  VARIABLE_PREFIX,
} from "../../../app/src/settings/environment.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";
import { contradictions } from "../../../app/src/settings/relations.ts";
import {
  defaultSettings,
  isSecret,
  settingDefinitions,
  settingNames,
} from "../../../app/src/settings/settings.ts";
import type { SettingDefinition, Settings } from "../../../app/src/settings/settings.ts";
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import { allowedValues, decode } from "../../../app/src/settings/definition.ts";
import type {
  Definition,
  ListDefinition,
  MemberDefinition,
  TextDefinition,
} from "../../../app/src/settings/definition.ts";

/** Any text that is legal for a setting, or for an item of its list. */
function matching({ pattern, isLegal }: TextDefinition | ListDefinition): fc.Arbitrary<string> {
  return fc.stringMatching(new RegExp(`^(?:${pattern.source})$`)).filter((text) => isLegal?.(text) !== false);
}

/** Any legal value of a setting. */
function legal(definition: Definition): fc.Arbitrary<unknown> {
  switch (definition.kind) {
    case "integer":
      return fc.integer({ min: definition.min, max: definition.max });
    case "boolean":
      return fc.boolean();
    case "choice":
      return fc.constantFrom(...definition.choices);
    case "text":
      return matching(definition);
    case "list":
      return fc.array(matching(definition), { maxLength: 4 });
    case "records": {
      const { members, maxRecords, required } = definition;
      const model = Object.entries<SettingDefinition | MemberDefinition>(members);
      return fc.array(
        fc.record(Object.fromEntries(model.map(([name, member]) => [name, legal(member)])), {
          requiredKeys: [required],
          noNullPrototype: true,
        }),
        { maxLength: maxRecords },
      );
    }
  }
}

function problemsOf(environment: Record<string, string>): SettingsError {
  try {
    fromEnvironment(environment);
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error;
  }
  return assert.fail("the environment was accepted");
}

/** The only problem of settings, by the names of the settings. */
function contradictionOf(changes: Partial<Settings>): Problem {
  const [contradiction, ...others] = contradictions({ ...defaultSettings(), ...changes }, String);
  assert.deepEqual(others, []);
  return contradiction ?? assert.fail("there is no contradiction");
}

/** Alone on its machine, a server needs no other setting. */
const LOCAL = { host: "127.0.0.1" } as const;

describe("the settings", () => {
  it("have their defaults if a variable is absent or empty", () => {
    const defaults = { ...defaultSettings(), ...LOCAL };
    assert.deepEqual(fromEnvironment({ HOST: LOCAL.host }), defaults);
    const empty = Object.fromEntries(Object.values(settingDefinitions).map(({ variable }) => [variable, ""]));
    assert.deepEqual(fromEnvironment({ ...empty, HOST: LOCAL.host }), defaults);
  });

  it("are the same after they are rendered and read", () => {
    const settings = fc.record(
      Object.fromEntries(settingNames().map((name) => [name, legal(settingDefinitions[name])])),
      { noNullPrototype: true },
    ) as unknown as fc.Arbitrary<Settings>;
    fc.assert(
      fc.property(settings, (given) => {
        fc.pre(contradictions(given, String).length === 0);
        const { valkeyPassword, apiKeys, ...open } = given;
        const environment = toEnvironment(given);
        assert.deepEqual(
          fromEnvironment({
            ...environment,
            WEBSOCKET_VALKEY_PASSWORD: valkeyPassword,
            WEBSOCKET_API_KEYS: apiKeys,
          }),
          given,
        );
        assert.deepEqual(fromEnvironment(environment), { ...open, valkeyPassword: "", apiKeys: "" });
      }),
    );
  });

  it("do not include secrets in an environment or a message", () => {
    assert.deepEqual(settingNames().filter(isSecret), ["valkeyPassword", "apiKeys"]);
    assert.deepEqual(toEnvironment({ valkeyPassword: "secret", port: 1 }), { PORT: "1" });
    const { message } = problemsOf({ WEBSOCKET_VALKEY_PASSWORD: "a secret" });
    assert.match(message, /`WEBSOCKET_VALKEY_PASSWORD`: got \[secret\]; expected a password /);
    assert.doesNotMatch(message, /a secret/);
  });

  it("mask user information in messages about every setting", () => {
    for (const name of settingNames()) {
      const { variable } = settingDefinitions[name];
      for (const text of [
        "redis://default:s3cret@my cache:6379",
        "default:s3cret@my cache:6379",
        "https://:s3c@s3cret/#?@auth example/keys",
        '["https://a.example","https://user:s3cret@b example"]',
      ]) {
        const { message } = problemsOf({ HOST: LOCAL.host, [variable]: text });
        assert.ok(message.includes(variable), message);
        assert.doesNotMatch(message, /s3c/);
      }
    }
  });

  const urls: Readonly<Record<string, { legal: readonly string[]; illegal: readonly string[] }>> = {
    WEBSOCKET_VALKEY_URL: {
      legal: [
        "redis://[::1]:6379",
        "rediss://user@[2001:db8::1]",
        "redis://my_cache:6379",
        "REDIS://Cache.example",
        "redis://us%40er@cache",
        "redis://cache/0",
      ],
      illegal: [
        "redis://cache:99999",
        "redis://user:s3cret@cache",
        "redis://:s3cret@cache",
        "redis://a%zz@cache",
        "redis://",
        "redis://cache/1",
        "redis://cache?db=1",
        "redis://[::1",
        "http://cache",
        "cache:6379",
      ],
    },
    WEBSOCKET_JWKS_URL: {
      legal: [
        "https://auth.example/keys",
        "http://my_host:8080",
        "https://[::1]:8443/k",
        "https://bücher.example/?a=b",
      ],
      illegal: [
        "https://auth.example.com:99999/",
        "https://[::1/",
        "https://a b/",
        "https://user:s3cret@auth.example/",
        "ftp://auth.example/",
        "https://",
        "https://%",
      ],
    },
  };
  for (const [variable, { legal: good, illegal: bad }] of Object.entries(urls)) {
    const tokens = { WEBSOCKET_ACCESS: "token", WEBSOCKET_JWT_ISSUER: "i", WEBSOCKET_JWT_AUDIENCE: "a" };
    const environment = {
      HOST: LOCAL.host,
      ...(variable === "WEBSOCKET_JWKS_URL" ? tokens : {}),
    };
    for (const url of good) {
      it(`accept ${url} for ${variable}`, () => {
        fromEnvironment({ ...environment, [variable]: url });
      });
    }
    for (const url of bad) {
      it(`reject ${url} for ${variable}`, () => {
        const { problems } = problemsOf({ ...environment, [variable]: url });
        assert.deepEqual(
          problems.map(({ key }) => key),
          [variable],
        );
      });
    }

    it(`accept only URLs that Node.js can parse for ${variable}`, () => {
      fc.assert(
        fc.property(fc.stringMatching(/^(https?|rediss?):\/\/[\w.:[\]@%/?#-]{0,20}$/), (url) => {
          try {
            fromEnvironment({ ...environment, [variable]: url });
          } catch (error) {
            assert.ok(error instanceof SettingsError);
            return;
          }
          assert.ok(URL.canParse(url));
        }),
        { numRuns: 1000 },
      );
    });
  }

  it("ignore other variables", () => {
    assert.deepEqual(fromEnvironment({ PATH: "/bin", PORTS: "1", HOST: LOCAL.host }), {
      ...defaultSettings(),
      ...LOCAL,
    });
  });

  const illegal: Record<SettingDefinition["kind"], readonly string[]> = {
    integer: ["-1", "1.5", "1e3", "0x10", " 1", "many", "99999999999999999999"],
    boolean: ["yes"],
    choice: ["INFO", "loud"],
    text: ["two words"],
    records: ["two words", "["],
    list: ["example.com", "https://example.com/path", "https://a.example,,https://b.example"],
  };
  for (const name of settingNames()) {
    const definition: SettingDefinition = settingDefinitions[name];
    it(`report ${definition.variable} and its legal values if it is illegal`, () => {
      for (const text of illegal[definition.kind]) {
        const { problems } = problemsOf({ [definition.variable]: text });
        assert.equal(problems.length, 1);
        assert.equal(problems[0]?.key, definition.variable);
        assert.equal(problems[0].got, isSecret(name) ? "[secret]" : JSON.stringify(text));
        assert.equal(problems[0].expected, allowedValues(definition));
      }
    });
  }

  it("are bounded, inclusively", () => {
    for (const name of settingNames()) {
      const definition: SettingDefinition = settingDefinitions[name];
      if (definition.kind !== "integer") continue;
      const { variable, min, max } = definition;
      assert.equal(decode(definition, String(min)), min);
      assert.equal(decode(definition, String(max)), max);
      problemsOf({ [variable]: String(min - 1) });
      problemsOf({ [variable]: String(max + 1) });
    }
  });

  it("contradict each other if too few messages of the maximum size are retained", () => {
    const given = { ...defaultSettings(), maxPayloadBytes: 100_000, retainedBytes: 399_999 };
    assert.match(
      problemsOf(toEnvironment(given)).message,
      /\n {2}`WEBSOCKET_RETAINED_BYTES`: got 399999; expected at least 400000, which is 4 times WEBSOCKET_MAX_PAYLOAD_BYTES \(100000\)\.$/,
    );
    const [contradiction, ...others] = contradictions(given, (name) => `stack:${name}`);
    assert.deepEqual(others, []);
    assert.equal(contradiction?.key, "stack:retainedBytes");
    assert.match(contradiction.expected, /stack:maxPayloadBytes/);
    assert.deepEqual(contradiction.fix, [{ set: "stack:retainedBytes", to: "400000" }]);
    assert.deepEqual(contradictions({ ...given, retainedBytes: 400_000 }, String), []);
  });

  it("contradict each other if the cache has no room for some messages of the maximum size", () => {
    const given = { ...defaultSettings(), maxPayloadBytes: 3 * MIB, retainedBytes: 12 * MIB, cacheMib: 12 };
    assert.deepEqual(contradictions(given, String), []);
    const [problem, ...others] = contradictions(
      {
        ...given,
        maxPayloadBytes: 3 * MIB + 1,
        retainedBytes: 13 * MIB,
        valkeyUrl: "redis://a",
        cacheMib: 12,
      },
      String,
    );
    assert.deepEqual(others, []);
    assert.equal(problem?.key, "cacheMib");
    assert.deepEqual(problem.fix, [{ set: "cacheMib", to: "13" }]);
  });

  it("contradict each other if a channel retains more than all channels may", () => {
    const bytes = 65 * MIB;
    const keysOf = (changes: Partial<Settings>): readonly string[] =>
      contradictions({ ...defaultSettings(), ...changes }, String).map(({ key }) => key);
    assert.deepEqual(keysOf({ retainedBytes: bytes }), ["retainedBytes"]);
    assert.deepEqual(keysOf({ retainedBytes: bytes, cacheMib: 65 }), []);
    assert.deepEqual(keysOf({ retainedBytes: bytes, valkeyUrl: "redis://a" }), []);
    assert.deepEqual(keysOf({ retainedBytes: bytes, valkeyUrl: "redis://a", valkeyBudgetMib: 64 }), [
      "retainedBytes",
    ]);
    assert.deepEqual(keysOf({ retainedBytes: bytes, valkeyUrl: "redis://a", valkeyBudgetMib: 65 }), []);
    const retention = [{ channels: "a" }, { channels: "b", bytes }, { channels: "c", bytes: 64 * KIB }];
    const problems = contradictions({ ...defaultSettings(), retention }, String);
    assert.deepEqual(
      problems.map(({ key, expected }) => `${key} ${expected}`),
      [
        "retention[1].bytes at most 67108864, because cacheMib allows 64 MiB for all channels",
        "retention[2].bytes at least 262144, which is 4 times maxPayloadBytes (65536)",
      ],
    );
    assert.deepEqual(problems[0]?.fix, [{ set: "retention[1].bytes", to: "67108864" }]);
  });

  describe("about the retention", () => {
    const read = (rules: unknown): Settings["retention"] =>
      fromEnvironment({ HOST: LOCAL.host, WEBSOCKET_RETENTION: JSON.stringify(rules) }).retention;

    it("have the members of each rule in one order", () => {
      const rules = [
        { seconds: 60, messages: 100, channels: "user.*" },
        { channels: "/", bytes: null },
      ];
      const expected = [{ channels: "user.*", messages: 100, seconds: 60 }, { channels: "/" }];
      assert.equal(JSON.stringify(read(rules)), JSON.stringify(expected));
      assert.deepEqual(toEnvironment({ retention: read(rules) }), {
        WEBSOCKET_RETENTION: JSON.stringify(expected),
      });
      assert.deepEqual(read([]), []);
      assert.deepEqual(read(Array.from({ length: 32 }, () => ({ channels: "a" }))).length, 32);
    });

    for (const [rules, ...lines] of [
      [
        [{ channels: "a" }, { channels: "user.*", seconds: 5 }],
        "`WEBSOCKET_RETENTION[1].seconds`: got 5; expected a whole number from 10 to 86400 (seconds)",
      ],
      [
        [{ channels: "a", messages: 1.5, bytes: true, seconds: "ten" }],
        "`WEBSOCKET_RETENTION[0].messages`: got 1.5; expected a whole number from 100 to 1000000 (messages)",
        "`WEBSOCKET_RETENTION[0].bytes`: got true; expected a whole number from 65536 to 1073741824 (bytes)",
        '`WEBSOCKET_RETENTION[0].seconds`: got "ten"; expected a whole number from 10 to 86400 (seconds)',
      ],
      [
        [{}, { channels: "a/b" }, { channels: ["a"] }],
        "`WEBSOCKET_RETENTION[0].channels`: got nothing; expected the name of a channel, a prefix of names that ends with *, or / for the default channel",
        '`WEBSOCKET_RETENTION[1].channels`: got "a/b"; expected the name',
        "`WEBSOCKET_RETENTION[2].channels`: got a list; expected the name",
      ],
      [
        [{ channels: "a", second: 60, "x y": 1, ["__proto__"]: 1 }, "user.*", null],
        "`WEBSOCKET_RETENTION[0].second`: got an unknown member; expected a known one (did you mean seconds?)",
        '`WEBSOCKET_RETENTION[0]["x y"]`: got an unknown member; expected one of channels, messages, bytes, seconds',
        "`WEBSOCKET_RETENTION[0].__proto__`: got an unknown member; expected one of channels",
        '`WEBSOCKET_RETENTION[1]`: got "user.*"; expected an object with channels, messages, bytes, seconds',
        "`WEBSOCKET_RETENTION[2]`: got null; expected an object",
      ],
      [
        Array.from({ length: 33 }, () => ({ channels: "a" })),
        "`WEBSOCKET_RETENTION`: got 33 objects; expected at most 32",
      ],
      [{ channels: "a" }, "`WEBSOCKET_RETENTION`: got an object; expected a list of at most 32 objects"],
    ] as const) {
      it(`report each illegal part, as in ${JSON.stringify(rules).slice(0, 60)}`, () => {
        const { message } = problemsOf({ HOST: LOCAL.host, WEBSOCKET_RETENTION: JSON.stringify(rules) });
        const found = message.split("\n  ").slice(1);
        assert.equal(found.length, lines.length, message);
        for (const [index, line] of lines.entries()) assert.ok(found[index]?.startsWith(line), message);
      });
    }
  });

  for (const host of ["localhost", "127.0.0.1", "127.8.8.8", "::1"]) {
    it(`allow every client if only this machine can reach the server, as at ${host}`, () => {
      assert.equal(fromEnvironment({ HOST: host }).access, "open");
    });
  }

  for (const host of ["0.0.0.0", "::", "192.0.2.1", "128.0.0.1", "localhost.example", "127.0.0.1.example"]) {
    it(`require a choice of access if others can reach the server, as at ${host}`, () => {
      const { message } = problemsOf({ HOST: host });
      assert.match(
        message,
        /`WEBSOCKET_ACCESS`: got nothing; expected one of token, open, because other machines can reach/,
      );
      assert.equal(fromEnvironment({ HOST: host, WEBSOCKET_ACCESS: "open" }).access, "open");
    });
  }

  const tokens = {
    access: "token",
    jwksUrl: "https://auth.example/keys",
    jwtIssuer: "https://auth.example",
    jwtAudience: "me",
  } as const;

  it("require the keys, the issuer and the audience for tokens", () => {
    assert.deepEqual(contradictions({ ...defaultSettings(), ...tokens }, String), []);
    for (const name of ["jwksUrl", "jwtIssuer", "jwtAudience"] as const) {
      const [contradiction, ...others] = contradictions(
        { ...defaultSettings(), ...tokens, [name]: "" },
        String,
      );
      assert.deepEqual(others, []);
      assert.equal(contradiction?.key, name);
      assert.match(contradiction.expected, /^(?:the|an) .*(?<!or nothing), because access is token$/);
      assert.deepEqual(contradiction.fix, [{ ask: name }]);
    }
  });

  it("contradict each other if access is open and a setting of tokens is set", () => {
    const { access, ...aboutTokens } = tokens;
    for (const [name, value] of Object.entries({
      ...aboutTokens,
      jwtChannelClaim: "rooms",
      jwtSubscribeClaim: "rooms",
      jwtPublishClaim: "rooms",
    })) {
      const { key, expected, fix } = contradictionOf({ [name]: value });
      assert.deepEqual([key, fix], ["access", [{ set: "access", to: access }]]);
      assert.ok(expected.includes(name), expected);
    }
  });

  it("ignore a platform's variables of a service with a similar name, and no others", () => {
    const links = {
      WEBSOCKET_SERVICE_HOST: "10.0.0.1",
      WEBSOCKET_SERVICE_PORT: "8080",
      WEBSOCKET_SERVICE_PORT_HTTP_WEB: "8080",
      WEBSOCKET_PORT: "tcp://10.0.0.1:8080",
      WEBSOCKET_PORT_8080_TCP: "tcp://10.0.0.1:8080",
      WEBSOCKET_PORT_8080_TCP_PROTO: "tcp",
      WEBSOCKET_PORT_8080_TCP_PORT: "8080",
      WEBSOCKET_PORT_8080_TCP_ADDR: "10.0.0.1",
      // Of a service whose name makes one of them look like a setting.
      WEBSOCKET_METRICS_SERVICE_HOST: "10.0.0.2",
      WEBSOCKET_METRICS_PORT: "udp://10.0.0.2:53",
      WEBSOCKET_METRICS_PORT_53_UDP: "udp://10.0.0.2:53",
    };
    const settings = fromEnvironment({ ...links, WEBSOCKET_HEARTBEAT_SECONDS: "7" });
    assert.deepEqual(settings, { ...fromEnvironment({}), heartbeatSeconds: 7 });
    assert.deepEqual(ignoredVariables({ ...links, PATH: "/bin" }), Object.keys(links));

    for (const [variable, value] of [
      ["WEBSOCKET_PORT", "8080"],
      ["WEBSOCKET_SERVICE_HOST", "10.0.0.1"],
      ["WEBSOCKET_SERVICE_NAMES", "x"],
    ] as const) {
      const { problems } = problemsOf({ [variable]: value });
      assert.deepEqual(
        problems.map(({ key }) => key),
        [variable],
      );
    }
    // Misspelt beside links.
    const { problems } = problemsOf({ ...links, WEBSOCKET_HARTBEAT_SECONDS: "7" });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["WEBSOCKET_HARTBEAT_SECONDS"],
    );
  });

  it("report all problems at once, unknown variables with the nearest known one", () => {
    const { problems, message } = problemsOf({
      PORT: "x",
      WEBSOCKET_HARTBEAT_SECONDS: "1",
      [`${VARIABLE_PREFIX}COLOUR_OF_THE_SEA`]: "blue",
    });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["PORT", "WEBSOCKET_HARTBEAT_SECONDS", "WEBSOCKET_COLOUR_OF_THE_SEA"],
    );
    assert.match(
      message,
      /`WEBSOCKET_HARTBEAT_SECONDS`: got an unknown variable; expected .*did you mean WEBSOCKET_HEARTBEAT_SECONDS\?/,
    );
    assert.match(
      message,
      /`WEBSOCKET_COLOUR_OF_THE_SEA`: got an unknown variable; expected one of HOST, PORT, /,
    );
  });
});

describe("the nearest word", () => {
  const words = ["heartbeatSeconds", "maxTasks", "minTasks", "port"];
  for (const [word, expected] of [
    ["heartbeatSecond", "heartbeatSeconds"],
    ["hartbeatSeconds", "heartbeatSeconds"],
    ["HEARTBEATSECONDS", "heartbeatSeconds"],
    ["maxTaks", "maxTasks"],
    ["mxaTasks", "maxTasks"],
    ["prot", "port"],
    ["port", "port"],
    ["heartbeat", "heartbeatSeconds"],
    ["MAX", "maxTasks"],
    ["ma", undefined],
    ["retention", undefined],
    ["x", undefined],
    ["", undefined],
  ] as const) {
    it(`for ${JSON.stringify(word)} is ${expected ?? "none"}`, () => {
      assert.equal(nearest(word, words), expected);
    });
  }

  it("is the shortest candidate that begins with the word, or else a similar one", () => {
    assert.equal(nearest("heart", ["heat", "heartbeatSeconds", "heartbeats"]), "heartbeats");
  });

  it("is the first of equally similar candidates", () => {
    assert.equal(nearest("mixTasks", ["minTasks", "maxTasks"]), "minTasks");
  });
});
