/**
 * What child processes take over from the environment of this one; all else stays behind: a setting of some other server, or
 * a secret.
 */
const INHERITED = [
  // To start at all, and to find programs and temporary files.
  "PATH",
  "SystemRoot",
  "TEMP",
  "TMP",
  "TMPDIR",
  // To reach the internet through a proxy, or with a certificate authority of one's own.
  "NODE_EXTRA_CA_CERTS",
  "NODE_USE_ENV_PROXY",
  "NODE_USE_SYSTEM_CA",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
] as const;

/** Valkey does not start in a locale that the machine lacks, such as that of the user's other machine over SSH. */
const LOCALE = { LC_ALL: "C" } as const;

export function childEnvironment(environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const inherited = INHERITED.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(inherited), ...LOCALE };
}
