import { readFile } from "node:fs/promises";
import path from "node:path";

const FOLDER = path.join(import.meta.dirname, "page");
const FILES = [
  ["/", "index.html", "text/html"],
  ["/dashboard.css", "dashboard.css", "text/css"],
  ["/dashboard.js", "dashboard.js", "text/javascript"],
  ["/view.js", "view.js", "text/javascript"],
  ["/charts.js", "charts.js", "text/javascript"],
] as const;

export interface PageFile {
  /** Value of Content-Type. */
  readonly type: string;
  readonly content: Buffer;
}

/** Reads the files of the page once, so that a request opens none. @returns them by their paths in the address. */
export async function readPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const read = FILES.map(async ([address, file, type]) => {
    const content = await readFile(path.join(FOLDER, file));
    return [address, { type: `${type}; charset=utf-8`, content }] as const;
  });
  return new Map(await Promise.all(read));
}
