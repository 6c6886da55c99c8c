/** Variables that child processes inherit. The others may be secrets, or settings of another server. */
const INHERITED = [
  // Programs and temporary files.
  "PATH",
  "SystemRoot",
  "TEMP",
  "TMP",
  "TMPDIR",
  // The internet through a proxy, or with a private certificate authority.
  "NODE_EXTRA_CA_CERTS",
  "NODE_USE_ENV_PROXY",
  "NODE_USE_SYSTEM_CA",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
] as const;

/** Valkey does not start in a locale that the machine lacks. SSH sets such a locale if it forwards that of the client. */
const LOCALE = { LC_ALL: "C" } as const;

/** The environment of a child process: the inherited variables of {@link environment}, and a locale that every machine has. */
export function childEnvironment(environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const inherited = INHERITED.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(inherited), ...LOCALE };
}
