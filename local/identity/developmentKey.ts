/** The key that signs development tokens. It is stored, so that `npm start` accepts the tokens of `npm run token`. */
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from "jose";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";

export const DEVELOPMENT_ALGORITHM = "ES256";

const FILE = "development-key.json";

/** Only this user can read it. */
const FILE_MODE = 0o600;

/** A private key as a JSON Web Key, with what its public part needs. */
export interface DevelopmentKey {
  readonly kty: "EC";
  readonly crv: string;
  readonly x: string;
  readonly y: string;
  /** The private part. */
  readonly d: string;
  readonly kid: string;
}

/**
 * Returns the stored key, or creates and stores one. All processes that call this at the same time get the same key.
 * @param folder is created if it does not exist.
 * @throws {ExpectedError} if the key cannot be stored.
 */
export async function developmentKey(folder: string): Promise<DevelopmentKey> {
  const file = path.join(folder, FILE);
  const stored = await readKey(file);
  if (stored !== undefined) return stored;
  try {
    await mkdir(folder, { recursive: true });
    return await storeKey(file, await createKey());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExpectedError(`The key of development tokens cannot be stored: ${reason}`, { cause: error });
  }
}

/** Returns the part of a key that verifies signatures. */
export function publicPart({ kty, crv, x, y, kid }: DevelopmentKey): Readonly<Record<string, string>> {
  return { kty, crv, x, y, kid, alg: DEVELOPMENT_ALGORITHM, use: "sig" };
}

async function createKey(): Promise<DevelopmentKey> {
  const { privateKey } = await generateKeyPair(DEVELOPMENT_ALGORITHM, { extractable: true });
  const { crv = "", x = "", y = "", d = "" } = await exportJWK(privateKey);
  const publicKey = { kty: "EC", crv, x, y } as const;
  return { ...publicKey, d, kid: await calculateJwkThumbprint(publicKey) };
}

/** A file has no partial content at any time. If another process is faster, its key is returned. */
async function storeKey(file: string, key: DevelopmentKey): Promise<DevelopmentKey> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await writeFile(temporary, JSON.stringify(key), { mode: FILE_MODE, flag: "wx" });
    try {
      await link(temporary, file);
      return key;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const other = await readKey(file);
    if (other !== undefined) return other;
    // The file is damaged.
    await rename(temporary, file);
    return key;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** @returns `undefined` if the file is missing or damaged. */
async function readKey(file: string): Promise<DevelopmentKey | undefined> {
  try {
    const stored: unknown = JSON.parse(await readFile(file, "utf8"));
    if (!isKey(stored)) return undefined;
    await importJWK({ ...stored }, DEVELOPMENT_ALGORITHM);
    return stored;
  } catch {
    return undefined;
  }
}

function isKey(value: unknown): value is DevelopmentKey {
  if (typeof value !== "object" || value === null) return false;
  const members: Readonly<Record<string, unknown>> = { ...value };
  return ["kty", "crv", "x", "y", "d", "kid"].every((name) => typeof members[name] === "string");
}
