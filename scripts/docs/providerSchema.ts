/**
 * The schema of the component for other languages, from the types and comments in infra/. It reads only the syntax of the files,
 * because the types of their imports take much longer.
 *
 * @see https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
 */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const PACKAGE = "websocket";
const COMPONENT = "WebSocketService";

/** Arguments that only a program in TypeScript or JavaScript can pass, because they contain functions. */
const EXCLUDED = ["transform"];

/** Numbers that can have a fraction. */
const FRACTIONS = ["target"];

/** Types around the type of a value. */
const WRAPPERS = ["pulumi.Input", "pulumi.Output", "Readonly"];

type Schema = Readonly<Record<string, unknown>>;

type Declaration = ts.InterfaceDeclaration | ts.ClassDeclaration | ts.TypeAliasDeclaration;

/**
 * Returns the schema as JSON.
 * @throws {Error} if the type of an argument or output has no equivalent in a schema.
 */
export function renderProviderSchema(root: string): string {
  const reader = new TypeReader(path.join(root, "infra"));
  const inputs = reader.objectOf(`${COMPONENT}Args`);
  const outputs = reader.objectOf(COMPONENT);
  const component = {
    isComponent: true,
    description: reader.descriptionOf(COMPONENT),
    inputProperties: inputs.properties,
    requiredInputs: inputs.required,
    properties: outputs.properties,
    required: outputs.required,
  };
  const resources = { [`${PACKAGE}:index:${COMPONENT}`]: component };
  return `${JSON.stringify({ name: PACKAGE, resources, types: reader.types }, undefined, 2)}\n`;
}

class TypeReader {
  /** The types to which properties refer, by token. */
  readonly types: Record<string, Schema> = {};
  readonly #declarations: readonly Declaration[];

  constructor(folder: string) {
    this.#declarations = globSync(path.join(folder, "**/*.ts")).flatMap(declarationsIn);
  }

  descriptionOf(name: string): string {
    return descriptionOf(this.#get(name));
  }

  /** Returns the properties of a class, or of an interface with those that it inherits. */
  objectOf(name: string): { readonly properties: Record<string, Schema>; readonly required: string[] } {
    const declaration = this.#get(name);
    if (ts.isTypeAliasDeclaration(declaration)) throw new Error(`${name} is not an interface.`);
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    if (ts.isInterfaceDeclaration(declaration)) {
      for (const base of (declaration.heritageClauses ?? []).flatMap(({ types }) => types)) {
        const inherited = this.objectOf(base.getText());
        Object.assign(properties, inherited.properties);
        required.push(...inherited.required);
      }
    }
    for (const member of declaration.members) {
      if (!ts.isPropertySignature(member) && !ts.isPropertyDeclaration(member)) continue;
      const key = member.name.getText();
      if (EXCLUDED.includes(key) || member.type === undefined) continue;
      properties[key] = {
        ...this.#schemaOf(member.type, key),
        ...(!isLater(member.type) && { plain: true }),
        description: [descriptionOf(member), ...choicesOf(member.type)].join(" "),
      };
      if (member.questionToken === undefined && !canBeUndefined(member.type)) required.push(key);
    }
    return { properties, required };
  }

  #elementOf(node: ts.TypeNode, key: string): Schema {
    return { ...this.#schemaOf(node, key), ...(!isLater(node) && { plain: true }) };
  }

  #schemaOf(node: ts.TypeNode, key: string): Schema {
    if (ts.isTypeOperatorNode(node) || ts.isParenthesizedTypeNode(node))
      return this.#schemaOf(node.type, key);
    if (ts.isArrayTypeNode(node)) return { type: "array", items: this.#elementOf(node.elementType, key) };
    if (ts.isTypeReferenceNode(node)) return this.#schemaOfReference(node, key);
    const [first, ...others] = membersOf(node);
    if (first !== node && first !== undefined && others.length === 0) return this.#schemaOf(first, key);
    const kinds = new Set(membersOf(node).map((member) => primitiveOf(member)));
    const [kind] = kinds;
    if (kind === undefined || kinds.size > 1)
      throw new Error(`${key}: ${node.getText()} has no equivalent in a schema.`);
    return { type: kind === "number" && !FRACTIONS.includes(key) ? "integer" : kind };
  }

  #schemaOfReference(node: ts.TypeReferenceNode, key: string): Schema {
    const name = node.typeName.getText();
    const [first, second] = node.typeArguments ?? [];
    if (WRAPPERS.includes(name) && first !== undefined) return this.#schemaOf(first, key);
    if (name === "Record" && second !== undefined)
      return { type: "object", additionalProperties: this.#elementOf(second, key) };
    // Language hosts would have to load the schema of another package.
    if (name.includes(".") || name === "Omit") return { $ref: "pulumi.json#/Any" };
    const declaration = this.#get(name);
    if (ts.isTypeAliasDeclaration(declaration)) return this.#schemaOf(declaration.type, key);
    // The SDKs add this suffix to the types of arguments.
    const token = `${PACKAGE}:index:${name.replace(/Args$/, "")}`;
    this.types[token] ??= { type: "object", ...this.objectOf(name), description: descriptionOf(declaration) };
    return { $ref: `#/types/${token}` };
  }

  #get(name: string): Declaration {
    const found = this.#declarations.filter((declaration) => declaration.name?.text === name);
    const [declaration] = found;
    if (declaration === undefined || found.length > 1)
      throw new Error(`infra/ has ${found.length} types ${name}; a schema needs one.`);
    return declaration;
  }
}

function declarationsIn(file: string): readonly Declaration[] {
  const content = readFileSync(file, "utf8");
  return ts
    .createSourceFile(file, content, ts.ScriptTarget.Latest, true)
    .statements.filter(
      (statement) =>
        ts.isInterfaceDeclaration(statement) ||
        ts.isClassDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement),
    );
}

/** Returns the text of a JSDoc comment with its default. */
function descriptionOf(node: ts.Node): string {
  const parts = ts.getJSDocCommentsAndTags(node).flatMap((part) => {
    const text = ts.getTextOfJSDocComment(part.comment) ?? "";
    const tags = ts.isJSDoc(part) ? (part.tags ?? []) : [];
    const defaults = tags
      .filter(({ tagName }) => tagName.text === "default")
      .map(({ comment }) => `Default: ${ts.getTextOfJSDocComment(comment) ?? ""}.`);
    return [text, ...defaults];
  });
  return parts.join(" ").replaceAll(/\s+/g, " ").trim();
}

/** Returns a sentence about the values of a union of literals. */
function choicesOf(node: ts.TypeNode): readonly string[] {
  const choices = membersOf(node).filter(ts.isLiteralTypeNode);
  return choices.length === 0 ? [] : [`One of ${choices.map((choice) => choice.getText()).join(", ")}.`];
}

/** Whether the value can be known only after other resources are created. */
function isLater(node: ts.TypeNode): boolean {
  return membersOf(node).some(
    (member) => ts.isTypeReferenceNode(member) && /^pulumi\.(?:In|Out)put$/.test(member.typeName.getText()),
  );
}

function canBeUndefined(node: ts.TypeNode): boolean {
  return ts.isUnionTypeNode(node) && node.types.some(isUndefined);
}

/** Returns the members of a union without undefined, or the type itself. */
function membersOf(node: ts.TypeNode): readonly ts.TypeNode[] {
  return ts.isUnionTypeNode(node) ? node.types.filter((member) => !isUndefined(member)) : [node];
}

function isUndefined({ kind }: ts.TypeNode): boolean {
  return kind === ts.SyntaxKind.UndefinedKeyword;
}

/** The types of keywords and literals. */
const PRIMITIVES: ReadonlyMap<ts.SyntaxKind, string> = new Map([
  [ts.SyntaxKind.StringKeyword, "string"],
  [ts.SyntaxKind.StringLiteral, "string"],
  [ts.SyntaxKind.NumberKeyword, "number"],
  [ts.SyntaxKind.NumericLiteral, "number"],
  [ts.SyntaxKind.BooleanKeyword, "boolean"],
]);

function primitiveOf(node: ts.TypeNode): string | undefined {
  return PRIMITIVES.get(ts.isLiteralTypeNode(node) ? node.literal.kind : node.kind);
}
