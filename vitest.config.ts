import { defineConfig } from "vitest/config";

/** One configuration for every package, so that one command runs all of them and reports once. */
export default defineConfig({
  test: {
    include: [
      "packages/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "benchmarks/test/**/*.test.ts",
      "test/*.test.ts",
    ],
    exclude: ["**/node_modules/**", "**/dist/**", "**/fixtures/**"],
    // Compiled packages are loaded by Node itself, as their users load them.
    server: { deps: { external: [/[\\/](?:packages|examples)[\\/][^\\/]+[\\/]dist[\\/]/] } },
    // Processes, not threads: native engines and SQLite bindings are not all safe to load in several threads.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    reporters: ["default"],
  },
});
