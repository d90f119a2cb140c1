import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["dist", "dist.new", "node_modules"] },
  js.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ATLAS_COARSE: "readonly", ATLAS_FINE: "readonly" } },
    rules: {
      "max-lines": ["error", 330],
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-console": "error",
      "no-implicit-coercion": ["error", { boolean: false }],
      "no-empty": ["error", { allowEmptyCatch: false }],
    },
  },
  { files: ["build.mjs", "test/**"], languageOptions: { globals: globals.node } },
];
