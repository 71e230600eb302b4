// Writes docs/features.md: which rows of the feature table a test stands for. A row counts only when the title of a
// test that passed starts with the row's id, for example `FS-13: newest row at or before the label time`.
//   node scripts/features.mjs           after a full `npm test`: writes the page
//   node scripts/features.mjs --check   fails when the page is not what the last full run says
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMain, main, root, ScriptError } from "./run.mjs";

const pagePath = join(root, "docs", "features.md");
const rowsPath = join(root, "docs", "feature-rows.json");
/** Where a full `npm test` leaves what each test did. */
export const resultsPath = join(root, ".millwright", "test-results.json");

const rowId = /^[A-Z]{2}-\d+$/;
/** The ids at the start of a title: `FS-13: …`, `FS-13, FS-14: …`, `FS-2 and FS-3: …`. */
function idsOf(title) {
  const start = /^([A-Z]{2}-\d+(?:(?:, | and |\/| )[A-Z]{2}-\d+)*)(?::|\s|$)/.exec(title);
  return start === null ? [] : start[1].split(/, | and |\/| /).filter((word) => rowId.test(word));
}

const isIntegration = (file) => file.endsWith(".integration.test.ts");

/**
 * Tests that stand for rows. On a machine without some server its integration tests are skipped: these still name
 * their rows, since the page must not depend on the machine; where CI=true such a test fails instead of being skipped.
 */
function claimsOf(tests) {
  const stands = ({ state, file }) => state === "passed" || (state === "skipped" && isIntegration(file));
  return tests.filter(stands).flatMap(({ file, title }) => idsOf(title).map((id) => ({ id, file, title })));
}

const packageOf = (file) =>
  file
    .split("/")
    .slice(0, file.startsWith("test/") ? 1 : 2)
    .join("/");

function rowLine({ id, name, priority }, claims) {
  const files = [...new Set(claims.map(({ file }) => file))].toSorted();
  const state = files.every(isIntegration) ? "passing where its server or tool is" : "passing";
  const links = files.map((file) => `[${file.slice(packageOf(file).length + 1)}](../${file})`).join("<br>");
  const owners = [...new Set(files.map(packageOf))].map((owner) => owner.replace("packages/", "")).join(", ");
  return `| ${id} | ${name} | ${priority} | ${state} | ${owners} | ${links} |`;
}

function areaSection(area, rows, claims) {
  const done = rows.filter(({ id }) => claims.some((claim) => claim.id === id));
  const head = `## ${area} (${done.length} of ${rows.length})\n`;
  if (done.length === 0) return head;
  const lines = done.map((row) =>
    rowLine(
      row,
      claims.filter(({ id }) => id === row.id),
    ),
  );
  const table = ["| row | feature | priority | state | where | test |", "|---|---|---|---|---|---|", ...lines];
  return `${head}\n${table.join("\n")}\n`;
}

/** The text of the page for the claims. */
function pageText(claims, rows) {
  const claimed = new Set(claims.map(({ id }) => id));
  const count = (priority) => {
    const some = rows.filter((row) => priority === undefined || row.priority === priority);
    return `${some.filter(({ id }) => claimed.has(id)).length} of ${some.length}`;
  };
  const areas = [...new Set(rows.map(({ area }) => area))];
  const head = [
    "# Features",
    "",
    "Written by `node scripts/features.mjs` from a full test run; do not edit. A row is listed when the title of a passing test",
    "starts with its id; where that test needs a server, a device or a tool, the state says so, and a machine without it skips the test.",
    "Priorities: P0 is needed before the whole may be called a replacement of a managed platform, P1 to be the",
    "best of its kind, P2 later.",
    "",
    `${count()} rows have a passing test: P0 ${count("P0")}, P1 ${count("P1")}, P2 ${count("P2")}.`,
    "",
  ].join("\n");
  return [
    head,
    ...areas.map((area) =>
      areaSection(
        area,
        rows.filter((row) => row.area === area),
        claims,
      ),
    ),
  ].join("\n");
}

const readRows = () => JSON.parse(readFileSync(rowsPath, "utf8"));

const readPage = () => (existsSync(pagePath) ? readFileSync(pagePath, "utf8") : "");

/** What is wrong with the page, given what each test did; undefined when it is right. */
export function featuresProblem(tests, page = readPage()) {
  const rows = readRows();
  const claims = claimsOf(tests);
  const known = new Set(rows.map(({ id }) => id));
  const unknown = claims.filter(({ id }) => !known.has(id));
  if (unknown.length > 0) {
    const list = unknown.map(({ id, file }) => `${id} (${file})`).join(", ");
    return `Test titles start with rows that docs/feature-rows.json does not have: ${list}.`;
  }
  if (page.replaceAll("\r\n", "\n") === pageText(claims, rows)) return undefined;
  const listed = new Set([...page.matchAll(/^\| ([A-Z]{2}-\d+) \|/gm)].map((match) => match[1]));
  const claimed = new Set(claims.map(({ id }) => id));
  const without = [...listed].filter((id) => !claimed.has(id)).join(", ") || "none";
  const missing = [...claimed].filter((id) => !listed.has(id)).join(", ") || "none";
  return (
    `docs/features.md is out of date (rows it lists without a passing test: ${without}; rows it misses: ${missing}). ` +
    "Run `node scripts/features.mjs` after this run, and commit the page."
  );
}

if (isMain(import.meta.url)) {
  await main(() => {
    if (!existsSync(resultsPath))
      throw new ScriptError("There are no results of a full run yet: run `npm test` first.");
    const tests = JSON.parse(readFileSync(resultsPath, "utf8"));
    if (!process.argv.includes("--check")) writeFileSync(pagePath, pageText(claimsOf(tests), readRows()));
    const problem = featuresProblem(tests);
    if (problem !== undefined) throw new ScriptError(problem);
    return 0;
  });
}
