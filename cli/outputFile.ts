import { writeFile } from "node:fs/promises";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { dashed } from "./options.ts";

/**
 * Writes the file that an option names.
 * @throws {ExpectedError} that names the option, if the file cannot be written.
 */
export async function writeOutputFile(option: string, file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new ExpectedError(`\`${dashed(option)}\`: ${error.message}.`, { cause: error });
  }
}
