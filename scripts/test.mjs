// `npm test`: installs, builds from nothing, lints, checks format and types, and runs every test.
// `npm test -- <filter>` builds only what changed and runs only the test files whose path contains the filter.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, root, run, ScriptError, tool } from "./run.mjs";
import { projects } from "./workspace.mjs";

/** Runs one stage, saying its name, and how long it took; throws when it fails, so that nothing runs after it. */
async function stage(name, body) {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  console.log(`\n== ${name}`);
  try {
    await body();
  } catch (error) {
    const words = error instanceof ScriptError ? error.message : String(error);
    throw new ScriptError(`The stage "${name}" failed after ${seconds()}. ${words}\n\n0 passed, 1 failed`);
  }
  console.log(`== ${name}: ${seconds()}`);
}

async function succeed(command, advice) {
  const code = await run(command);
  if (code !== 0) throw new ScriptError(advice);
}

/** `tsc -b` leaves behind what a deleted source once compiled to, so a full run starts from nothing. */
function removeBuilds() {
  for (const { path } of projects()) {
    rmSync(join(path, "dist"), { recursive: true, force: true });
    for (const file of readdirSync(path)) {
      if (file.endsWith(".tsbuildinfo")) rmSync(join(path, file));
    }
  }
}

async function check() {
  await stage("lint", () => succeed(tool("oxlint"), "Mend what the linter names above."));
  await stage("format", () => succeed(tool("oxfmt", "--check"), "Run `pnpm exec oxfmt` to format every file."));
  await stage("types of tests", () =>
    succeed(tool("tsc", "-p", "tsconfig.tests.json"), "Mend what the compiler names above."),
  );
}

/** Runs vitest. Its closing line must stay the last line printed, so nothing is printed after it. */
function runTests(filters) {
  const results = join(root, ".millwright");
  if (!existsSync(results)) mkdirSync(results);
  const full = filters.length === 0;
  console.log("\n== tests");
  const reporters = ["--reporter=default", "--reporter=./scripts/vitest-summary-reporter.mjs"];
  return run(tool("vitest", "run", ...reporters, ...filters), {
    env: { ...process.env, MILLWRIGHT_FULL_TEST_RUN: full ? "1" : "" },
  });
}

await main(async () => {
  const filters = process.argv.slice(2);
  await stage("install", () => {
    ensureNode();
    return ensureInstalled();
  });
  if (filters.length === 0) removeBuilds();
  await stage("build", ensureBuilt);
  if (filters.length === 0) await check();
  return runTests(filters);
});
