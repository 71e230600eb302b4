import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fuzz, problemOf, thrownBy, useClosed } from "./failures/fuzz.ts";
import { ofTheCaller } from "./failures/hostile-values.ts";
import { type FailureTable, methodsOf, type Subjects } from "./failures/subjects.ts";
import { publishedPackages, type PublishedPackage, readText } from "./published-packages.ts";

/** Prepares what the calls of a package need, below a folder of its own. */
type OpenTable = (folder: string) => FailureTable | Promise<FailureTable>;

const codePattern = /`([A-Z]+_[A-Z0-9_]+)`/g;
/** Codes that the README of a package lists in its tables. */
const codesOf = (name: string): readonly string[] =>
  readText("packages", name, "README.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(codePattern)].map(([, code]) => code ?? ""));

/** Codes that a package may throw: its own, and those of the packages it depends on. */
function mayThrow({ name, manifest }: PublishedPackage): ReadonlySet<string> {
  const below = Object.keys(manifest.dependencies ?? {}).filter((each) => each.startsWith("@millwright/"));
  return new Set([name, ...below.map((each) => each.replace("@millwright/", ""))].flatMap(codesOf));
}

/** Functions that the doors of a package lead to, and objects with methods, by name. Classes of errors and contract cases are data here. */
async function exportsOf({ path, manifest }: PublishedPackage): Promise<ReadonlyMap<string, object>> {
  const found = new Map<string, object>();
  for (const target of Object.values(manifest.exports ?? {})) {
    const file = typeof target === "string" ? target : (target["default"] ?? "");
    if (!file.endsWith(".js")) continue;
    const module = (await import(pathToFileURL(join(path, file)).href)) as Readonly<Record<string, unknown>>;
    for (const [name, value] of Object.entries(module)) {
      const isError = typeof value === "function" && value.prototype instanceof Error;
      if (typeof value === "function" && !isError) found.set(name, value);
      if (typeof value === "object" && value !== null && !Array.isArray(value) && methodsOf(value).length > 0)
        found.set(name, value);
    }
  }
  return found;
}

const ownerName = (name: string): string => name.slice(0, name.lastIndexOf("."));

/** Methods of the owners in the table that the table lacks. */
async function methodsMissing(subjects: Subjects): Promise<readonly string[]> {
  const missing = new Set<string>();
  for (const [name, { owner }] of Object.entries(subjects)) {
    if (owner === undefined) continue;
    for (const method of methodsOf(await owner()))
      if (subjects[`${ownerName(name)}.${method}`] === undefined) missing.add(`${ownerName(name)}.${method}`);
  }
  return [...missing];
}

async function tableOf(name: string, inside: string): Promise<FailureTable> {
  const { openTable } = (await import(`./failures/${name}.ts`)) as { readonly openTable: OpenTable };
  return openTable(inside);
}

let folder = "";
const home = process.cwd();
const strays: unknown[] = [];
const noteStray = (reason: unknown): void => void strays.push(reason);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-failures-"));
  // Deep, since paths of wrong calls go upwards too.
  const below = join(folder, "a", "b", "c", "d");
  await mkdir(below, { recursive: true });
  process.chdir(below);
  process.on("unhandledRejection", noteStray);
});

afterAll(async () => {
  process.off("unhandledRejection", noteStray);
  process.chdir(home);
  // What was called last may still be writing.
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Packages that have no table of their calls yet, each with its reason. What stands here counts no longer once the table is there. */
const without: Readonly<Record<string, string>> = {};
const hasTable = ({ name }: PublishedPackage): boolean => existsSync(new URL(`./failures/${name}.ts`, import.meta.url));
/** The row is claimed when no package is left out. */
const row = publishedPackages.every(hasTable) ? "CT-4: " : "";

test("every package has a table of its calls, or says why it has none yet", () => {
  const missing = publishedPackages.filter((each) => !hasTable(each)).map(({ name }) => name);
  expect(missing.filter((name) => without[name] === undefined)).toEqual([]);
});

for (const published of publishedPackages.filter(hasTable)) {
  const { name } = published;

  test(`${row}every public function and method of ${name} fails by listed codes alone, whatever it is called with`, async () => {
    const inside = join(folder, name);
    await mkdir(inside);
    await using table = await tableOf(name, inside);
    const { subjects, elsewhere } = table;
    const codes = mayThrow(published);

    const listed = new Set(Object.keys(subjects).flatMap((each) => [each, each.split(/[.(]/)[0] ?? ""]));
    const exported = await exportsOf(published);
    expect.soft([...exported.keys()].filter((each) => !listed.has(each))).toEqual([]);
    expect.soft(await methodsMissing(subjects)).toEqual([]);

    const shown = new Set(Object.keys(elsewhere));
    const wrong: string[] = [];
    for (const [subject, { fails }] of Object.entries(subjects)) {
      for (const [title, call] of Object.entries(fails)) {
        const wanted = title.split(":")[0] ?? "";
        const [thrown] = await thrownBy(call);
        const { code, name: kind } = (thrown ?? {}) as { readonly code?: string; readonly name?: string };
        const found = wanted.endsWith("Error") ? kind : code;
        if (found !== wanted) wrong.push(`${subject} throws ${String(thrown)}, not ${title}`);
        const problem = thrown === undefined ? undefined : problemOf(thrown, codes);
        if (problem !== undefined) wrong.push(`${subject}: ${problem}`);
        shown.add(wanted);
      }
    }
    expect.soft(wrong).toEqual([]);
    for (const [code, file] of Object.entries(elsewhere))
      if (file.endsWith(".test.ts")) expect.soft(readText(file), `${code} in ${file}`).toContain(code);
    const own = new RegExp(`^${name === "contracts" ? "(?:CONTRACTS|PORT)" : name.toUpperCase().replace("-", "_")}_`);
    expect.soft(codesOf(name).filter((code) => own.test(code) && !shown.has(code))).toEqual([]);

    const leaks: string[] = [];
    for (const [subject, each] of Object.entries(subjects)) {
      leaks.push(...(await fuzz(subject, each, codes)));
      await turn();
      for (const stray of strays.splice(0))
        if (stray !== ofTheCaller) leaks.push(`${subject} leaves a rejection behind: ${String(stray)}`);
    }
    leaks.push(...(await useClosed(subjects, codes)));
    expect.soft(leaks).toEqual([]);
  });
}

test("the judge of what is thrown knows a leak when it sees one", () => {
  const codes = new Set(["PORT_CLOSED"]);
  expect(problemOf(new Error("bare"), codes)).toContain("bare");
  expect(problemOf(new SyntaxError("bare"), codes)).toContain("SyntaxError");
  expect(problemOf("text", codes)).toContain("no error");
  expect(problemOf(new TypeError("a mistake"), codes)).toBeUndefined();
});
