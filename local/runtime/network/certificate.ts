/** A certificate for this machine's own names, made once and kept, so that a browser's exception stays valid. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

/** The name that it bears, besides the addresses. */
export const CERTIFICATE_NAME = "localhost";

const FILE = "localhost-certificate.json";
const VALID_DAYS = 365;
/** A certificate that ends sooner is made anew. */
const REMAINING_DAYS = 7;
const DAY_MS = 24 * 60 * 60 * 1000;

/** PEM texts, named as `tls.createServer` takes them. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

interface Kept extends Certificate {
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

/**
 * @param directory where it is kept; made where it is missing.
 * @param warn called if it cannot be kept there. It then serves this time only.
 */
export async function localCertificate(
  directory: string,
  warn: (message: string) => void = () => undefined,
): Promise<Certificate> {
  const file = path.join(directory, FILE);
  const kept = await readKept(file);
  if (kept !== undefined && kept.notAfter - Date.now() > REMAINING_DAYS * DAY_MS) return kept;
  const made = await makeCertificate();
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(file, JSON.stringify(made), { mode: 0o600 });
  } catch (error) {
    warn(
      `The certificate cannot be kept (${error instanceof Error ? error.message : String(error)}): ` +
        "a browser asks for a new exception at every start.",
    );
  }
  return made;
}

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, "utf8"));
    return isKept(kept) ? kept : undefined;
  } catch {
    // Missing or damaged: either way a new one is made.
    return undefined;
  }
}

function isKept(value: unknown): value is Kept {
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

async function makeCertificate(): Promise<Kept> {
  // Loaded on the first start only: it brings a whole X.509 library.
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
