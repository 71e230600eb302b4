// A vitest reporter: which tests were skipped and why, then one plain closing line with the counts, after everything else that is printed.
// A skipped test without a reason is a failure. In a full run it also writes .millwright/test-results.json and compares docs/features.md with it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { featuresProblem, resultsPath } from "./features.mjs";
import { root } from "./run.mjs";

const relativePath = (path) => relative(root, path).split(sep).join("/");

/** Every test of a module as `{ file, title, state, note }`; a module that could not be loaded counts as one failed test. */
function testsOf(module) {
  const file = relativePath(module.moduleId);
  const tests = [...module.children.allTests()].map((test) => {
    const { state, note } = test.result();
    return { file, title: test.name, state, note };
  });
  const broken = module.errors().length + [...module.children.allSuites()].flatMap((suite) => suite.errors()).length;
  const failed = broken > 0 || (module.state() === "failed" && !tests.some(({ state }) => state === "failed"));
  return failed ? [...tests, { file, title: file, state: "failed" }] : tests;
}

/** Says each skipped test with its reason, those of one file and reason together. */
function printSkipped(skipped) {
  if (skipped.length === 0) return;
  console.log("\n== skipped tests");
  const titles = new Map();
  for (const { file, title, note } of skipped) {
    const head = `${file}: ${note ?? "gives no reason"}`;
    titles.set(head, [...(titles.get(head) ?? []), title]);
  }
  for (const [head, group] of titles) console.log([head, ...group].join("\n  - "));
}

export default class SummaryReporter {
  #filtered = false;

  onInit(vitest) {
    // Tests left out by a pattern of names are reported as skipped; nobody needs a reason for them.
    this.#filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules, unhandledErrors, reason) {
    const tests = modules.flatMap(testsOf);
    const count = (state) => tests.filter((test) => test.state === state).length;
    let failed = count("failed") + count("pending") + unhandledErrors.length;
    if (tests.length === 0 || (reason !== "passed" && failed === 0)) failed += 1;
    if (process.env.MILLWRIGHT_FULL_TEST_RUN === "1") {
      mkdirSync(dirname(resultsPath), { recursive: true });
      const results = tests.map(({ file, title, state }) => ({ file, title, state }));
      writeFileSync(resultsPath, `${JSON.stringify(results, undefined, 1)}\n`);
      const problem = featuresProblem(tests);
      if (problem !== undefined) {
        console.error(`\n${problem}`);
        failed += 1;
      }
    }
    const skipped = tests.filter(({ state }) => state === "skipped");
    if (!this.#filtered) {
      printSkipped(skipped);
      // A test whose file failed was never asked; any other says by `skip("…")` what was not found and what provides it.
      const silent = skipped.filter(({ note }) => note === undefined);
      if (failed === 0 && silent.length > 0) {
        console.error(`\nEvery skipped test gives a reason, by skip("…"); without one: ${silent.length}.`);
        failed += 1;
      }
    }
    if (failed > 0) process.exitCode = 1;
    console.log(
      `\n${count("passed")} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`,
    );
  }
}
