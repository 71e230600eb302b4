import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { root } from "./published-packages.ts";

interface TestResult {
  readonly file: string;
  readonly title: string;
  readonly state: "passed" | "failed" | "skipped";
}
type FeaturesProblem = (tests: readonly TestResult[], page?: string) => string | undefined;

async function loadFeaturesProblem(): Promise<FeaturesProblem> {
  const url = pathToFileURL(join(root, "scripts", "features.mjs")).href;
  return ((await import(url)) as { featuresProblem: FeaturesProblem }).featuresProblem;
}

const page = (...ids: readonly string[]): string => ids.map((id) => `| ${id} | a name |\n`).join("");
const result = (title: string, state: TestResult["state"], file = "packages/data/test/a.test.ts"): TestResult => ({
  file,
  title,
  state,
});

test("a row of docs/features.md without a passing test is a problem", async () => {
  const featuresProblem = await loadFeaturesProblem();
  expect(featuresProblem([result("FS-13: joins", "failed")], page("FS-13"))).toContain(
    "without a passing test: FS-13;",
  );
  expect(featuresProblem([result("FS-13: joins", "skipped")], page("FS-13"))).toContain(
    "without a passing test: FS-13;",
  );
  expect(featuresProblem([result("joins as FS-13 says", "passed")], page("FS-13"))).toContain("test: FS-13;");
});

test("a row that a passing test claims must be on docs/features.md, and must exist", async () => {
  const featuresProblem = await loadFeaturesProblem();
  expect(featuresProblem([result("FS-13: joins", "passed")], page())).toContain("rows it misses: FS-13)");
  expect(featuresProblem([result("FS-13, FS-14: joins", "passed")], page("FS-13"))).toContain("rows it misses: FS-14)");
  expect(featuresProblem([result("FS-999: joins", "passed")], page())).toContain("does not have: FS-999");
});

test("an integration test that was skipped still stands for its row", async () => {
  const featuresProblem = await loadFeaturesProblem();
  const skipped = result("FS-13: joins", "skipped", "packages/data/test/a.integration.test.ts");
  expect(featuresProblem([skipped], page("FS-13"))).toContain("without a passing test: none; rows it misses: none");
});

/** Runs vitest with the closing-line reporter over the files; its exit code and the last line that it printed. */
function runVitest(files: Readonly<Record<string, string>>): { readonly code: number | null; readonly last: string } {
  mkdirSync(join(root, ".millwright"), { recursive: true });
  const folder = mkdtempSync(join(root, ".millwright", "closing-line-"));
  try {
    writeFileSync(
      join(folder, "vitest.config.mjs"),
      'export default { test: { include: ["*.test.ts"], maxWorkers: 1 } };',
    );
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), `import { expect, test } from "vitest";\n${text}`);
    }
    const { VITEST: _vitest, MILLWRIGHT_FULL_TEST_RUN: _full, ...env } = process.env;
    const reporter = join(root, "scripts", "vitest-summary-reporter.mjs");
    const script = join(root, "node_modules", "vitest", "vitest.mjs");
    const reporters = ["--reporter=default", `--reporter=${reporter}`];
    const run = spawnSync(process.execPath, [script, "run", "--root", folder, ...reporters], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
    return { code: run.status, last: run.stdout.trimEnd().split("\n").at(-1) ?? "" };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const passing = 'test("passes", () => { expect(1).toBe(1); });\n';
const failing = 'test("fails", () => { expect(1).toBe(2); });\n';
const skipping = 'test.skipIf(true)("is skipped", () => {});\n';

test("the last line of a run counts what passed, failed and was skipped", { timeout: 600_000 }, () => {
  expect(runVitest({ "a.test.ts": passing + passing })).toEqual({ code: 0, last: "2 passed, 0 failed" });
  const mixed = runVitest({ "a.test.ts": passing + failing + skipping });
  expect(mixed).toEqual({ code: 1, last: "1 passed, 1 failed, 1 skipped" });
});

test("a file that cannot be loaded, and an error outside every test, count as failures", { timeout: 600_000 }, () => {
  const broken = runVitest({ "a.test.ts": passing, "b.test.ts": 'throw new Error("at load");' });
  expect(broken).toEqual({ code: 1, last: "1 passed, 1 failed" });
  const stray = runVitest({ "a.test.ts": `${passing}void Promise.reject(new Error("stray"));\n` });
  expect(stray).toEqual({ code: 1, last: "1 passed, 1 failed" });
  expect(runVitest({ "a.ts": "export const nothing = 0;" })).toEqual({ code: 1, last: "0 passed, 1 failed" });
});
