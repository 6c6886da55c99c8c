import js from "@eslint/js";
import mocha from "eslint-plugin-mocha";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** Folders whose modules may be imported from elsewhere only as the architecture allows (docs/architecture.md). */
const FORBIDDEN_ARROWS = [
  { from: ["app/**"], to: ["**/infra/**", "**/local/**", "**/load-test/**", "@pulumi/*"] },
  { from: ["infra/**", "index.ts"], to: ["**/local/**", "**/load-test/**"] },
  { from: ["load-test/**"], to: ["**/infra/**", "**/local/**"] },
];

/** What the other folders may take from the server: its settings contract, nothing that runs. */
const ONLY_THE_SETTINGS = {
  regex: "/app/src/(?!(settings|definition|nearest)\\.ts$)",
  message: "Outside app/ only app/src/settings.ts, definition.ts and nearest.ts may be imported.",
};

export default defineConfig(
  { ignores: ["**/node_modules/", "**/dist/", "**/.pulumi/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json" } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
    },
  },
  {
    files: ["tests/**/*.ts"],
    extends: [mocha.configs.recommended],
    rules: {
      "mocha/no-mocha-arrows": "off",
      "mocha/no-setup-in-describe": "off",
      "mocha/max-top-level-suites": "off",
    },
  },
  { files: ["**/*.{js,mjs}"], languageOptions: { globals: { process: "readonly", console: "readonly" } } },
  ...FORBIDDEN_ARROWS.map(({ from, to }) => ({
    files: from,
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: to, message: "This arrow is not in the architecture." }] },
      ],
    },
  })),
  {
    files: ["infra/**/*.ts", "local/**/*.ts", "load-test/**/*.ts", "index.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": ["error", { patterns: [ONLY_THE_SETTINGS] }],
    },
  },
);
