/** A self-signed certificate for localhost. It is stored, so that a browser's exception for it stays valid. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

/** The name of the certificate, besides the loopback addresses. */
export const CERTIFICATE_NAME = "localhost";

const FILE = "localhost-certificate.json";
const VALID_DAYS = 365;
/** A certificate that expires sooner is replaced. */
const MIN_REMAINING_DAYS = 7;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Private key and certificate in PEM, as options of `tls.createServer`. */
export interface LocalCertificate {
  readonly key: string;
  readonly cert: string;
}

interface StoredCertificate extends LocalCertificate {
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

/**
 * Returns the stored certificate, or creates and stores one.
 * @param directory is created if it does not exist.
 * @param warn called if the certificate cannot be stored.
 */
export async function localCertificate(
  directory: string,
  warn: (message: string) => void = () => undefined,
): Promise<LocalCertificate> {
  const file = path.join(directory, FILE);
  const stored = await readStored(file);
  if (stored !== undefined && stored.notAfter - Date.now() > MIN_REMAINING_DAYS * DAY_MS) return stored;
  const created = await createCertificate();
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(file, JSON.stringify(created), { mode: 0o600 });
  } catch (error) {
    warn(
      `The certificate cannot be stored (${error instanceof Error ? error.message : String(error)}), ` +
        "so a browser asks for a new exception at every start.",
    );
  }
  return created;
}

async function readStored(file: string): Promise<StoredCertificate | undefined> {
  try {
    const stored: unknown = JSON.parse(await readFile(file, "utf8"));
    return isStored(stored) ? stored : undefined;
  } catch {
    // A file that is missing or damaged is replaced.
    return undefined;
  }
}

function isStored(value: unknown): value is StoredCertificate {
  return (
    typeof value === "object" &&
    value !== null &&
    "key" in value &&
    typeof value.key === "string" &&
    "cert" in value &&
    typeof value.cert === "string" &&
    "notAfter" in value &&
    typeof value.notAfter === "number"
  );
}

async function createCertificate(): Promise<StoredCertificate> {
  // Imported when needed: it loads a whole X.509 library.
  const { generate } = await import("selfsigned");
  const notAfter = Date.now() + VALID_DAYS * DAY_MS;
  const { private: key, cert } = await generate([{ name: "commonName", value: CERTIFICATE_NAME }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notAfterDate: new Date(notAfter),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: CERTIFICATE_NAME },
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  return { key, cert, notAfter };
}
