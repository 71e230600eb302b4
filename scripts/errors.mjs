// Writes the list of all error codes at the end of docs/errors.md: when each is thrown, from the README of its package;
// its category and whether it is retryable, from the function that makes it. With --check it only compares.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMain, main, root, ScriptError } from "./run.mjs";
import { packages } from "./workspace.mjs";

const pagePath = join(root, "docs", "errors.md");
const heading = "## Every code";

/** Source files of a package that make errors. */
const errorFiles = ({ path }) =>
  readdirSync(join(path, "src"), { recursive: true })
    .filter((name) => /(^|[\\/-])errors\.ts$/.test(name))
    .toSorted()
    .map((name) => readFileSync(join(path, "src", name), "utf8"));

/** Where errors are made: what stands from one code to the next, without the union of codes before them. */
function makingsOf(source, known) {
  const made = source.slice(Math.max(0, source.indexOf("export class")));
  const codes = [...made.matchAll(/"([A-Z]+_[A-Z0-9_]+)"/g)].filter(([, code]) => known.includes(`| "${code}"`));
  return codes.map((match, at) => ({
    code: match[1],
    text: made.slice(match.index, codes[at + 1]?.index).split(/\n(?=const |function |export )/)[0],
  }));
}

/** Categories named in the text; where the file system decides, those of the table beside it; the cause's own where it is handed on. */
function categoriesOf(text, source) {
  const named = [...text.matchAll(/category: "([a-z]+)"/g)].map((match) => match[1]);
  if (/\.\.\.USER\b/.test(text)) named.push("user");
  if (/\.\.\.DATA\b/.test(text)) named.push("data");
  if (named.length > 0) return [...new Set(named)];
  const table = /readonly \[((?:"[a-z]+"(?: \| )?)+), string\]/.exec(source)?.[1] ?? "";
  if (text.includes("error.message") && table !== "") return [...table.matchAll(/[a-z]+/g)].map(([word]) => word);
  return ["that of its cause"];
}

function retryableOf(text) {
  const said = /retryable: ([^,\n}]+)/.exec(text)?.[1].trim() ?? "false";
  if (said === "true") return "retryable";
  if (said === "false") return "not retryable";
  return `retryable where the category is \`${/=== "([a-z]+)"/.exec(said)?.[1]}\``;
}

/** "When" of each code, from the tables of the README. */
function whenOf(readme) {
  const when = new Map();
  let column = -1;
  for (const line of readme.split("\n")) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    if (cells[1] === "code") column = cells.indexOf("when");
    for (const [, code] of cells[1]?.matchAll(/`([A-Z]+_[A-Z0-9_]+)`/g) ?? []) when.set(code, cells[column] ?? "");
  }
  return when;
}

/** Every code that the package owns: `{ code, categories, retryable, when }`. */
function codesOf(owner) {
  const when = whenOf(readFileSync(join(owner.path, "README.md"), "utf8"));
  const files = errorFiles(owner);
  const codes = files.flatMap((source) =>
    makingsOf(source, files.join("\n")).map(({ code, text }) => ({
      code,
      categories: categoriesOf(text, source),
      retryable: retryableOf(text),
      when: when.get(code) ?? "",
    })),
  );
  const unexplained = codes.filter((each) => each.when === "").map(({ code }) => code);
  if (unexplained.length > 0)
    throw new ScriptError(`${owner.folder}/README.md does not say when it throws ${unexplained.join(", ")}.`);
  return [...new Map(codes.toReversed().map((each) => [each.code, each])).values()].toSorted((a, b) =>
    a.code < b.code ? -1 : 1,
  );
}

function section(owner) {
  const name = owner.folder.replace("packages/", "");
  const codes = codesOf(owner).map(
    ({ code, categories, retryable, when }) => `#### ${code}\n\n${categories.join(" or ")}, ${retryable}: ${when}.\n`,
  );
  return `### ${name}\n\n[README](../packages/${name}/README.md), [guide](${name}.md)\n\n${codes.join("\n")}`;
}

/** What docs/errors.md must be: its own words as they stand, then every code. */
export function errorsPage(page = readFileSync(pagePath, "utf8").replaceAll("\r\n", "\n")) {
  const head = page.split(`\n${heading}\n`)[0].trimEnd();
  const intro =
    "Written by `node scripts/errors.mjs` from the packages; do not edit. The member `docs` of an error names its heading here.";
  return `${head}\n\n${heading}\n\n${intro}\n\n${packages().map(section).join("\n")}`;
}

if (isMain(import.meta.url)) {
  await main(() => {
    const wanted = errorsPage();
    if (readFileSync(pagePath, "utf8") === wanted) return 0;
    if (process.argv.includes("--check"))
      throw new ScriptError("docs/errors.md is out of date: run `node scripts/errors.mjs`.");
    writeFileSync(pagePath, wanted);
    return 0;
  });
}
