// A vitest reporter: one plain closing line with the counts, after everything else that is printed.
// In a full run it also writes .millwright/test-results.json and compares docs/features.md with it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { featuresProblem, resultsPath } from "./features.mjs";
import { root } from "./run.mjs";

const relativePath = (path) => relative(root, path).split(sep).join("/");

/** Every test of a module as `{ file, title, state }`; a module that could not be loaded counts as one failed test. */
function testsOf(module) {
  const file = relativePath(module.moduleId);
  const tests = [...module.children.allTests()].map((test) => ({ file, title: test.name, state: test.result().state }));
  const broken = module.errors().length + [...module.children.allSuites()].flatMap((suite) => suite.errors()).length;
  const failed = broken > 0 || (module.state() === "failed" && !tests.some(({ state }) => state === "failed"));
  return failed ? [...tests, { file, title: file, state: "failed" }] : tests;
}

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors, reason) {
    const tests = modules.flatMap(testsOf);
    const count = (state) => tests.filter((test) => test.state === state).length;
    let failed = count("failed") + count("pending") + unhandledErrors.length;
    if (tests.length === 0 || (reason !== "passed" && failed === 0)) failed += 1;
    if (process.env.MILLWRIGHT_FULL_TEST_RUN === "1") {
      mkdirSync(dirname(resultsPath), { recursive: true });
      writeFileSync(resultsPath, `${JSON.stringify(tests, undefined, 1)}\n`);
      const problem = featuresProblem(tests);
      if (problem !== undefined) {
        console.error(`\n${problem}`);
        failed += 1;
      }
    }
    if (failed > 0) process.exitCode = 1;
    const skipped = count("skipped");
    console.log(`\n${count("passed")} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  }
}
