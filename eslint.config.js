import js from "@eslint/js";
import mocha from "eslint-plugin-mocha";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["**/node_modules/", "**/dist/", "**/.pulumi/", "tests/package/fixtures/"] },
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
    // Their packages, and so their types, are not installed with those of the repository. The tests of the examples run tsc.
    files: ["examples/*/server/**/*.ts"],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { "@typescript-eslint/no-empty-function": "off" },
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
  {
    // Functions that the suites of several files call.
    files: ["tests/app/log/contract/*.ts", "tests/app/log/*Fixture.ts"],
    rules: { "mocha/no-top-level-hooks": "off" },
  },
  { files: ["**/*.{js,mjs}"], languageOptions: { globals: { process: "readonly", console: "readonly" } } },
);
