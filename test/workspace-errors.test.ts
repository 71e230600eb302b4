import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publishedPackages, type PublishedPackage, sources, withoutComments } from "./published-packages.ts";

/** Codes that a package owns start with its name; what every driver of a port throws starts with PORT and is owned by contracts. */
function prefixOf({ name }: PublishedPackage): string {
  const own = name.toUpperCase().replaceAll("-", "_");
  return name === "contracts" ? `(?:${own}|PORT)` : own;
}

const codesIn = (text: string, pattern: RegExp): readonly string[] =>
  [...new Set([...text.matchAll(pattern)].flatMap(([, code]) => code ?? []))].toSorted();

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

  test(`${name} declares every code of its own in one place`, () => {
    if (name === "contracts") return; // its codes stand beside the ports that promise them
    const declared = sources(published, "src").find(({ file }) => file === "src/errors.ts")?.text ?? "";
    expect(codesIn(withoutComments(declared), quoted)).toEqual(codesIn(code, quoted));
  });
}
