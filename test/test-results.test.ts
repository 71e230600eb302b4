import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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

interface VitestRun {
  readonly code: number | null;
  readonly lines: readonly string[];
  /** The last line that it printed. */
  readonly last: string;
}

/** Runs vitest with the closing-line reporter; variables of integration tests are left out of its environment. */
function runVitest(args: readonly string[], extraEnvironment: NodeJS.ProcessEnv = {}): VitestRun {
  const environment = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|CI|MILLWRIGHT_\w+)$/.test(name));
  const reporter = join(root, "scripts", "vitest-summary-reporter.mjs");
  const script = join(root, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", `--reporter=${reporter}`];
  const run = spawnSync(process.execPath, [script, "run", ...reporters, ...args], {
    cwd: root,
    env: { ...Object.fromEntries(environment), ...extraEnvironment },
    encoding: "utf8",
    timeout: 1_200_000,
  });
  const lines = run.stdout.trimEnd().split("\n");
  return { code: run.status, lines, last: lines.at(-1) ?? "" };
}

/** Runs the files in a folder of their own. */
function runFiles(files: Readonly<Record<string, string>>, ...args: readonly string[]): VitestRun {
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
    return runVitest(["--root", folder, ...args]);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const passing = 'test("passes", () => { expect(1).toBe(1); });\n';
const failing = 'test("fails", () => { expect(1).toBe(2); });\n';
const skipping = 'test("is skipped", ({ skip }) => skip("no mill: install one"));\n';
const silent = 'test.skip("is left out", () => {});\n';

test("the last line of a run counts what passed, failed and was skipped", { timeout: 2_400_000 }, () => {
  expect(runFiles({ "a.test.ts": passing + passing })).toMatchObject({ code: 0, last: "2 passed, 0 failed" });
  const mixed = runFiles({ "a.test.ts": passing + failing + skipping });
  expect(mixed).toMatchObject({ code: 1, last: "1 passed, 1 failed, 1 skipped" });
});

test("a file that cannot be loaded, and an error outside every test, count as failures", { timeout: 2_400_000 }, () => {
  const broken = runFiles({ "a.test.ts": passing, "b.test.ts": 'throw new Error("at load");' });
  expect(broken).toMatchObject({ code: 1, last: "1 passed, 1 failed" });
  const stray = runFiles({ "a.test.ts": `${passing}void Promise.reject(new Error("stray"));\n` });
  expect(stray).toMatchObject({ code: 1, last: "1 passed, 1 failed" });
  expect(runFiles({ "a.ts": "export const nothing = 0;" })).toMatchObject({ code: 1, last: "0 passed, 1 failed" });
});

test(
  "each skipped test says before the last line what was not found; without a reason it fails the run",
  { timeout: 2_400_000 },
  () => {
    const reasoned = runFiles({ "a.test.ts": passing + skipping });
    expect(reasoned).toMatchObject({ code: 0, last: "1 passed, 0 failed, 1 skipped" });
    const place = reasoned.lines.findIndex((line) => line.endsWith("/a.test.ts: no mill: install one"));
    expect(reasoned.lines.slice(place + 1)).toEqual(["  - is skipped", "", reasoned.last]);
    const unreasoned = runFiles({ "a.test.ts": passing + skipping + silent });
    expect(unreasoned).toMatchObject({ code: 1, last: "1 passed, 1 failed, 2 skipped" });
    expect(unreasoned.lines.find((line) => line.endsWith("/a.test.ts: gives no reason"))).toBeDefined();
    // Left out by its name, on purpose.
    expect(runFiles({ "a.test.ts": passing + silent }, "-t", "passes").code).toBe(0);
  },
);

function integrationTests(): readonly string[] {
  return ["packages", "examples"].flatMap((parent) =>
    readdirSync(join(root, parent)).flatMap((name) => {
      const folder = join(root, parent, name, "test");
      const files = existsSync(folder) ? readdirSync(folder) : [];
      return files
        .filter((file) => file.endsWith(".integration.test.ts"))
        .map((file) => `${parent}/${name}/test/${file}`);
    }),
  );
}

test(
  "an integration test that finds nothing says why it is skipped, and fails with CI=true",
  { timeout: 2_400_000 },
  () => {
    const files = integrationTests();
    expect(files.length).toBeGreaterThan(10);
    const nothing = mkdtempSync(join(root, ".millwright", "empty-path-"));
    try {
      // Debian keeps PostgreSQL's programs and Slurm's servers off the PATH.
      const places = { PATH: nothing, MILLWRIGHT_POSTGRES: nothing, MILLWRIGHT_SLURM: nothing };
      const local = runVitest(files, places);
      expect(local.code, local.lines.join("\n")).toBe(0);
      for (const file of files) {
        const reason = local.lines.find((line) => line.startsWith(`${file}: `));
        expect(reason, `the reason of ${file}`).toMatch(/MILLWRIGHT_[A-Z_]+/);
      }
      const strict = runVitest([...files, "--retry=0", "--reporter=json"], { ...places, CI: "true" });
      const report = JSON.parse(strict.lines.find((line) => line.startsWith("{")) ?? "{}") as {
        testResults: { name: string; status: string }[];
      };
      const failed = report.testResults.filter(({ status }) => status === "failed").map(({ name }) => name);
      expect(failed.toSorted()).toEqual(files.map((file) => join(root, file)).toSorted());
    } finally {
      rmSync(nothing, { recursive: true, force: true });
    }
  },
);
