import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { importsOf, publishedPackages, type PublishedPackage, readText, scope, sources } from "./published-packages.ts";

/** The compiled files behind a package's doors, by door. */
function doorsOf({ manifest }: PublishedPackage): readonly (readonly [string, string])[] {
  return Object.entries(manifest.exports ?? {})
    .filter(([door]) => door !== "./package.json")
    .map(([door, target]) => [
      door,
      typeof target === "string" ? target : (target["default"] ?? target["import"] ?? ""),
    ]);
}

/** Files of src/drivers that no door leads to; a file that another driver imports is a part of that driver. */
function driversWithoutDoor(published: PublishedPackage): readonly string[] {
  const drivers = sources(published, "src/drivers");
  const parts = new Set(
    drivers.flatMap(({ text }) => importsOf(text)).map((name) => name.replace("./", "src/drivers/")),
  );
  const doors = new Set(doorsOf(published).map(([door]) => door.replace("./", "src/")));
  return drivers.map(({ file }) => file).filter((file) => !parts.has(file) && !doors.has(file.slice(0, -".ts".length)));
}

const parent = (target: string): string => target.slice(0, target.lastIndexOf("/"));

for (const published of publishedPackages) {
  const { name, path, manifest } = published;

  test(`${name} has the manifest that every package has`, () => {
    expect(manifest).toMatchObject({
      name: `${scope}${name}`,
      license: "Apache-2.0",
      type: "module",
      sideEffects: false,
      engines: { node: ">=20.19" },
      files: ["dist", "src", "!dist/.tsbuildinfo"],
    });
    expect(manifest.private).toBeUndefined();
    expect(manifest.description?.length ?? 0, "a description").toBeGreaterThan(20);
    expect(manifest.exports?.["./package.json"]).toBe("./package.json");
  });

  test(`${name} has a licence and a README with its name and an example`, () => {
    expect(readFileSync(join(path, "LICENSE"), "utf8")).toBe(readText("LICENSE"));
    const readme = readFileSync(join(path, "README.md"), "utf8");
    expect(readme).toContain(`# ${scope}${name}`);
    expect(readme).toMatch(/^```ts$/m);
  });

  test(`${name} has a door for every driver, and types beside every door`, () => {
    expect(driversWithoutDoor(published)).toEqual([]);
    for (const [door, target] of Object.entries(manifest.exports ?? {})) {
      if (typeof target === "string") continue;
      expect(Object.keys(target)[0], `types must come first at ${door}`).toBe("types");
      expect(existsSync(join(path, target["types"] ?? "")), `${target["types"]} of ${name}`).toBe(true);
    }
  });

  test(`${name} exports what it exported before`, { timeout: 600_000 }, async () => {
    const lines: string[] = [];
    for (const [door, target] of doorsOf(published)) {
      const module = (await import(pathToFileURL(join(path, target)).href)) as object;
      lines.push(
        `${door}  (${parent(target)})`,
        ...Object.keys(module)
          .toSorted()
          .map((key) => `  ${key}`),
      );
    }
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(`exports/${name}.txt`);
  });
}
