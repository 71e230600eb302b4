import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  importsOf,
  publishedPackages,
  type PublishedPackage,
  readText,
  root,
  scope,
  sources,
  withoutComments,
} from "./published-packages.ts";

/** The house: every package and its floor. A package imports only packages of lower floors. */
const floors: readonly (readonly string[])[] = [
  "contracts",
  "data storage jobs",
  "duckdb tfjs model",
  "feature-store trainer algorithms tuner registry serving monitor pipeline explain governance operations",
  "automl console",
].map((floor) => floor.split(" "));
const floorOf = (name: string): number => floors.findIndex((floor) => floor.includes(name));

/** Third-party packages that may stand in the named packages and nowhere else. */
const homes: Readonly<Record<string, readonly string[]>> = {
  zod: ["contracts"],
  "apache-arrow": ["data"],
  kysely: ["storage"],
  "@photostructure/sqlite": ["storage"],
  "@duckdb/node-api": ["duckdb"],
  "@duckdb/node-bindings": ["duckdb"],
  "@tensorflow/tfjs-core": ["tfjs"],
  "@tensorflow/tfjs-layers": ["tfjs"],
  "@tensorflow/tfjs-converter": ["tfjs"],
  "@tensorflow/tfjs-backend-cpu": ["tfjs"],
  "@tensorflow/tfjs-backend-wasm": ["tfjs"],
  "@tensorflow/tfjs-backend-webgpu": ["tfjs"],
  "prom-client": ["monitor"],
  "simple-statistics": ["monitor"],
  "ml-matrix": ["monitor"],
};

const internal = (names: readonly string[]): readonly string[] =>
  [...new Set(names.filter((name) => name.startsWith(scope)).map((name) => name.split("/")[1] ?? ""))].toSorted();

const importedBy = (published: PublishedPackage, folder: string): readonly string[] =>
  internal(sources(published, folder).flatMap(({ text }) => importsOf(text))).filter((name) => name !== published.name);

const modulesWithEffects =
  /^(?:node:)?(?:fs|net|http|https|http2|dgram|dns|tls|child_process|worker_threads|cluster|readline|repl|inspector|sqlite|os|tty|vm)(?:\/|$)/;

for (const published of publishedPackages) {
  const { name, path, manifest } = published;
  const floor = floorOf(name);

  test(`${name} stands on a floor and imports only packages of lower floors`, () => {
    expect(floor, `packages/${name} has no floor: it is missing in the table of this test`).toBeGreaterThanOrEqual(0);
    const above = (other: string): boolean => floorOf(other) >= floor;
    const declared = internal(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
    expect(importedBy(published, "src").filter(above)).toEqual([]);
    expect([...importedBy(published, "test"), ...importedBy(published, "bench")].filter(above)).toEqual([]);
    expect(declared.filter(above)).toEqual([]);
  });

  test(`${name} declares, references and imports the same packages`, () => {
    const dependencies = internal(Object.keys(manifest.dependencies ?? {}));
    const tsconfig = JSON.parse(withoutComments(readFileSync(join(path, "tsconfig.json"), "utf8"))) as {
      references?: { path: string }[];
    };
    const references = (tsconfig.references ?? []).map((reference) => reference.path.replace("../", "")).toSorted();
    expect(importedBy(published, "src"), "imports of src, against dependencies").toEqual(dependencies);
    expect(references, "references of tsconfig.json, against dependencies").toEqual(dependencies);
    const ranges = Object.entries(manifest.dependencies ?? {}).filter(([dependency]) => dependency.startsWith(scope));
    expect(ranges.filter(([, range]) => range !== "workspace:^")).toEqual([]);
    expect(internal(Object.keys({ ...manifest.peerDependencies, ...manifest.optionalDependencies }))).toEqual([]);
  });

  test(`${name} has third-party dependencies only where they belong, each with a written reason`, () => {
    const external = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).filter(
      (dependency) => !dependency.startsWith(scope),
    );
    const strangers = external.filter((dependency) => !(homes[dependency] ?? [name]).includes(name));
    expect(strangers, "these belong to other packages").toEqual([]);
    const folder = join(root, "docs", "decisions");
    const pages = existsSync(folder) ? readdirSync(folder).filter((page) => page.endsWith(".md")) : [];
    const reasons = pages.map((page) => readText("docs", "decisions", page)).join("\n");
    expect(
      external.filter((dependency) => !reasons.includes(dependency)),
      "these are in no page of docs/decisions",
    ).toEqual([]);
  });
}

test("the pure floors touch no file, network, process or thread", () => {
  const pure = publishedPackages.filter(({ name }) => name === "contracts" || name === "data");
  const impure = pure.flatMap((published) =>
    sources(published, "src")
      .filter(({ file }) => !file.startsWith("src/testing/")) // cases look at what a driver left on the disk
      .flatMap(({ file, text }) =>
        importsOf(text)
          .filter((module) => modulesWithEffects.test(module))
          .map((module) => `${published.name}/${file} imports ${module}`),
      ),
  );
  expect(impure).toEqual([]);
});
