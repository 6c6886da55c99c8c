/** Reads this project's Dockerfile. An unsupported line is an error. */

/** An instruction and its arguments, with continued lines joined. */
export interface Instruction {
  readonly keyword: string;
  readonly text: string;
}

export interface Stage {
  readonly name: string | undefined;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

const FROM = /^(?:--platform=\S+ +)?(?<base>\S+)(?: +AS +(?<name>\S+))?$/i;

/** @throws {Error} if the text does not begin with a FROM. */
export function parseDockerfile(text: string): readonly Stage[] {
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const { keyword, text: rest } of instructionsOf(text)) {
    if (keyword === "FROM") {
      const { base, name } = FROM.exec(rest)?.groups ?? {};
      if (base === undefined) throw new Error(`FROM ${rest} is not supported.`);
      stages.push({ base, name, instructions: [] });
    } else {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`${keyword} ${rest} is before the first FROM.`);
      stage.instructions.push({ keyword, text: rest });
    }
  }
  return stages;
}

function instructionsOf(text: string): readonly Instruction[] {
  return text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .flatMap((line) => {
      const { keyword, rest } = /^\s*(?<keyword>\w+)\s+(?<rest>.*\S)\s*$/.exec(line)?.groups ?? {};
      return keyword === undefined || rest === undefined
        ? []
        : [{ keyword: keyword.toUpperCase(), text: rest }];
    });
}
