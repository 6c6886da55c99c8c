/** Type checks of a program with the compiler of the repository. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const STRICT = {
  target: "es2022",
  lib: ["es2022", "esnext.disposable", "dom"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
} as const;

/**
 * Writes files into the folder of a program and checks them, and the type declarations of the package. Other packages may have errors.
 * @param files texts by name.
 * @param module compiler options that decide how imports are resolved.
 * @returns `FILE(LINE): message` of each error.
 */
export function typeErrors(
  folder: string,
  files: Readonly<Record<string, string>>,
  module: Readonly<Record<string, string>>,
): readonly string[] {
  const names = Object.entries(files).map(([name, text]) => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return file;
  });
  const { options, errors } = ts.convertCompilerOptionsFromJson({ ...STRICT, ...module }, folder);
  const program = ts.createProgram(names, options);
  const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(folder));
  const diagnostics = own.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  return [...errors, ...program.getOptionsDiagnostics(), ...diagnostics].map(
    ({ file, start = 0, messageText }) => {
      const message = ts.flattenDiagnosticMessageText(messageText, "\n");
      if (file === undefined) return message;
      const { line } = file.getLineAndCharacterOfPosition(start);
      return `${path.relative(folder, file.fileName)}(${line + 1}): ${message}`;
    },
  );
}
