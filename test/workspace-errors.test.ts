import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MillwrightError } from "../packages/contracts/dist/index.js";
import {
  publishedPackages,
  type PublishedPackage,
  readText,
  root,
  sources,
  withoutComments,
} from "./published-packages.ts";

/** Codes that a package owns start with its name; what every driver of a port throws starts with PORT and is owned by contracts. */
function prefixOf({ name }: PublishedPackage): string {
  const own = name.toUpperCase().replaceAll("-", "_");
  return name === "contracts" ? `(?:${own}|PORT)` : own;
}

const codesIn = (text: string, pattern: RegExp): readonly string[] =>
  [...new Set([...text.matchAll(pattern)].flatMap(([, code]) => code ?? []))].toSorted();

test("docs/errors.md lists every code of every package, each under the heading that the error's `docs` names", () => {
  const check = [join(root, "scripts", "errors.mjs"), "--check"];
  const { status, stdout, stderr } = spawnSync(process.execPath, check, { encoding: "utf8" });
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
  const headings = codesIn(readText("docs", "errors.md"), /^#### (\w+)$/gm);
  const declared = publishedPackages.flatMap((each) =>
    codesIn(
      sources(each, "src")
        .filter(({ file }) => /\/(?:port-)?errors\.ts$/.test(file))
        .map(({ text }) => withoutComments(text))
        .join("\n"),
      new RegExp(`"(${prefixOf(each)}_[A-Z0-9_]+)"`, "g"),
    ),
  );
  expect(headings).toEqual(declared.toSorted());
  for (const each of headings) {
    const { docs } = new MillwrightError(each, "It broke.", { category: "bug", remedy: "Mend it." });
    const [page, anchor] = docs.split("#");
    expect(page).toBe("docs/errors.md");
    expect(anchor).toBe(each.toLowerCase()); // what a heading's anchor is on the pages of a repository
  }
});

/**
 * Makings of an error without a code. A cause may be one, and what contract cases hand in as the reason of a signal; a plain `TypeError` or
 * `RangeError` is for mistakes in the program.
 */
const bareErrors = (file: string, text: string): readonly string[] =>
  [...withoutComments(text).matchAll(/(?<!\bcause = )\b(?:new\s+|(?<=throw\s+))(?:Error|AggregateError)\(/g)]
    .filter(({ index }) => !file.startsWith("src/testing/") || /throw\s*$/.test(text.slice(0, index)))
    .map(({ index }) => `${file}: ${text.slice(index).split("\n")[0]}`);

test("the search for bare errors finds them", () => {
  const found = (line: string, file = "src/x.ts"): number => bareErrors(file, line).length;
  expect(found('throw new Error("x")')).toBe(1);
  expect(found('throw Error("x")')).toBe(1);
  expect(found('reject(new Error("x"))')).toBe(1);
  expect(found('throw Object.assign(new Error("x"), { code: "X" })')).toBe(1);
  expect(found('throw new TypeError("x")')).toBe(0);
  expect(found('const cause = new Error("x");')).toBe(0);
  expect(found('// throw new Error("x")')).toBe(0);
  expect(found('stop.abort(new Error("enough"))', "src/testing/x.contract.ts")).toBe(0);
  expect(found('throw new Error("enough")', "src/testing/x.contract.ts")).toBe(1);
});

for (const published of publishedPackages) {
  const { name, path } = published;
  const prefix = prefixOf(published);
  const quoted = new RegExp(`"(${prefix}_[A-Z0-9_]+)"`, "g");
  const code = sources(published, "src")
    .map(({ text }) => withoutComments(text))
    .join("\n");

  test(`${name} lists every error code in its README, and no other`, () => {
    const readme = existsSync(join(path, "README.md")) ? readFileSync(join(path, "README.md"), "utf8") : "";
    const listed = codesIn(readme, new RegExp(`\`(${prefix}_[A-Z0-9_]+)\``, "g"));
    expect(listed).toEqual(codesIn(code, quoted));
  });

  test(`${name} makes no error without a code`, () => {
    expect(sources(published, "src").flatMap(({ file, text }) => bareErrors(file, withoutComments(text)))).toEqual([]);
  });

  test(`${name} declares every code of its own in one place`, () => {
    if (name === "contracts") return; // its codes stand beside the ports that promise them
    const declared = sources(published, "src").find(({ file }) => file === "src/errors.ts")?.text ?? "";
    expect(codesIn(withoutComments(declared), quoted)).toEqual(codesIn(code, quoted));
  });
}
