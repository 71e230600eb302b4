import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { inputMissing, manifestInvalid } from "../errors.ts";

/** A record of an augmented manifest: for each attribute the file that it refers to, or its value as text. */
export type ManifestRecord = readonly ({ readonly source: string } | { readonly text: string })[];

type Locations = Readonly<Record<string, string>>;

async function read(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw inputMissing(name, path, error);
  }
}

/** The path on this machine of what a manifest names. Throws `JOBS_MANIFEST_INVALID`. */
function pathOf(manifest: string, named: string, locations: Locations): string {
  const [uri, path] = Object.entries(locations)
    .filter(([beginning]) => named.startsWith(beginning))
    .toSorted(([a], [b]) => b.length - a.length)[0] ?? [undefined, ""];
  if (uri !== undefined) {
    const folder = uri.endsWith("/") && !/[/\\]$/.test(path) ? `${path}/` : path;
    return resolve(folder + named.slice(uri.length));
  }
  if (named.startsWith("file:")) return fileURLToPath(named);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(named))
    throw manifestInvalid(
      manifest,
      `"${named}" is not on this machine`,
      "Say by `locations` of the channel where it is.",
    );
  return resolve(dirname(manifest), named);
}

/** @returns the files of a manifest: their paths below its prefix, and where they are. Throws `JOBS_INPUT_MISSING`, `JOBS_MANIFEST_INVALID`. */
export async function readManifest(
  name: string,
  path: string,
  locations: Locations,
): Promise<readonly { readonly path: string; readonly source: string }[]> {
  const text = await read(name, path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const [first, ...names] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  const prefix = typeof first === "object" && first !== null && "prefix" in first ? first.prefix : undefined;
  if (typeof prefix !== "string" || prefix === "")
    throw manifestInvalid(path, 'it is no JSON like [{ "prefix": "…" }, "a", "b"]');
  const seen = new Set<string>();
  return names.map((each) => {
    if (
      typeof each !== "string" ||
      !/^(?![/\\])[^\0]+$/.test(each) ||
      each.split(/[/\\]/).some((part) => part === ".." || part === ".")
    )
      throw manifestInvalid(path, `${JSON.stringify(each)} is no path below the prefix`);
    if (seen.has(each)) throw manifestInvalid(path, `it names ${JSON.stringify(each)} twice`);
    seen.add(each);
    return { path: each.replaceAll("\\", "/"), source: pathOf(path, prefix + each, locations) };
  });
}

/** @returns the records of an augmented manifest, each with its attributes in their order. Throws `JOBS_INPUT_MISSING`, `JOBS_MANIFEST_INVALID`. */
export async function readAugmentedManifest(
  name: string,
  path: string,
  { attributeNames, locations }: { readonly attributeNames: readonly string[]; readonly locations: Locations },
): Promise<readonly ManifestRecord[]> {
  const lines = (await read(name, path)).split("\n");
  return lines.flatMap((line, index): readonly ManifestRecord[] => {
    if (line.trim() === "") return [];
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      record = undefined;
    }
    if (typeof record !== "object" || record === null || Array.isArray(record))
      throw manifestInvalid(path, `its line ${index + 1} is no JSON object`);
    const attributes = record as Readonly<Record<string, unknown>>;
    return [
      attributeNames.map((attribute) => {
        const value = Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
        if (value === undefined) throw manifestInvalid(path, `its line ${index + 1} has no "${attribute}"`);
        if (!attribute.endsWith("-ref")) return { text: typeof value === "string" ? value : JSON.stringify(value) };
        if (typeof value !== "string")
          throw manifestInvalid(path, `"${attribute}" of its line ${index + 1} is no path`);
        return { source: pathOf(path, value, locations) };
      }),
    ];
  });
}
