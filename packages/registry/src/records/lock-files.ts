import { parse as parseYaml } from "yaml";
import { materialsInvalid } from "../errors.ts";
import type { PackageDependency } from "./materials.ts";

/**
 * The dependencies that a lock file or a list of packages pins: `package-lock.json` (versions 2 and 3), `pnpm-lock.yaml` (version 9), `requirements.txt` with `==`. Licenses are there where the
 * file has them, as npm's has. Throws `REGISTRY_MATERIALS_INVALID`.
 * @param file Its name, which tells what it is.
 */
export function readLockFile(file: string, text: string): readonly PackageDependency[] {
  const name = file.split(/[/\\]/).at(-1) ?? file;
  const found = name.endsWith(".json")
    ? npmLock(file, text)
    : /\.ya?ml$/.test(name)
      ? pnpmLock(file, text)
      : name.endsWith(".txt")
        ? requirements(file, text)
        : undefined;
  if (found === undefined)
    throw materialsInvalid(file, "it is no package-lock.json, pnpm-lock.yaml or requirements.txt");
  const byPackage = new Map(found.map((each) => [`${each.purl}@${each.version}`, each]));
  return [...byPackage].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

const npmPurl = (name: string): string => `pkg:npm/${name.replace(/^@/, "%40")}`;

function npmLock(file: string, text: string): PackageDependency[] {
  const { packages } = recordOf(file, () => JSON.parse(text));
  if (typeof packages !== "object" || packages === null)
    throw materialsInvalid(file, "it has no `packages`: make it with npm 7 or newer");
  return Object.entries(packages as Record<string, Record<string, unknown>>).flatMap(([path, entry]) => {
    const name = typeof entry["name"] === "string" ? entry["name"] : path.split("node_modules/").at(-1);
    const { version, link } = entry;
    if (path === "" || link === true || name === undefined || typeof version !== "string") return [];
    return [dependency(npmPurl(name), name, version, entry["license"], entry["integrity"])];
  });
}

function pnpmLock(file: string, text: string): PackageDependency[] {
  const { packages } = recordOf(file, () => parseYaml(text));
  if (typeof packages !== "object" || packages === null) throw materialsInvalid(file, "it has no `packages`");
  return Object.entries(packages as Record<string, { readonly resolution?: { readonly integrity?: unknown } }>).flatMap(
    ([key, entry]) => {
      const [, name, version] = /^(@?[^@]+)@([^(]+)/.exec(key) ?? [];
      if (name === undefined || version === undefined) return [];
      return [dependency(npmPurl(name), name, version, undefined, entry.resolution?.integrity)];
    },
  );
}

function requirements(file: string, text: string): PackageDependency[] {
  const lines = text.replaceAll(/\\\r?\n/g, " ").split(/\r?\n/);
  return lines.flatMap((line) => {
    const bare = line.replace(/(?:^|\s)#.*$/, "").trim();
    if (bare === "" || bare.startsWith("-")) return [];
    const [, name, version] = /^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;,]+)/.exec(bare) ?? [];
    if (name === undefined || version === undefined || version.includes("*"))
      throw materialsInvalid(file, `"${bare.slice(0, 100)}" pins no version with ==`);
    return [
      dependency(`pkg:pypi/${name.toLowerCase().replaceAll(/[._-]+/g, "-")}`, name, version, undefined, undefined),
    ];
  });
}

function dependency(
  purl: string,
  name: string,
  version: string,
  license: unknown,
  integrity: unknown,
): PackageDependency {
  return {
    purl,
    name,
    version,
    ...(typeof license === "string" && license !== "" ? { license } : {}),
    ...(typeof integrity === "string" && integrity !== "" ? { integrity } : {}),
  };
}

function recordOf(file: string, parse: () => unknown): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse();
  } catch (cause) {
    throw materialsInvalid(file, "it cannot be parsed", cause);
  }
  if (typeof value !== "object" || value === null) throw materialsInvalid(file, "it is no object");
  return value as Record<string, unknown>;
}
