import { readFile } from "node:fs/promises";
import { modelCorrupt } from "@millwright/contracts";

const importLine = /^import (?:[^"]*? from )?"(\.[^"]+)";\n/gm;

/**
 * Joins compiled modules of this package into one text without imports, dependencies first: what they import, relative, is joined too. They have no two names
 * alike at their top, which the text's own parser would tell. @param entries Paths relative to `base`.
 */
export async function joinModules(
  base: URL,
  entries: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const joined = new Map<string, string>();
  const take = async (url: URL): Promise<void> => {
    if (joined.has(url.href)) return;
    joined.set(url.href, "");
    const text = await readOwn(url, signal);
    for (const [, path] of text.matchAll(importLine)) await take(new URL(path as string, url));
    // Set anew, so that it stands behind what it imports.
    joined.delete(url.href);
    joined.set(url.href, bare(text));
  };
  for (const entry of entries) await take(new URL(entry, base));
  return [...joined.values()].join("");
}

async function readOwn(url: URL, signal: AbortSignal | undefined): Promise<string> {
  try {
    return await readFile(url, { encoding: "utf8", signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt("@millwright/model", `its file ${url.pathname} cannot be read`, error);
  }
}

/** A module's statements alone: comments of whole lines are gone too. */
const bare = (text: string): string =>
  text
    .replace(importLine, "")
    .replace(/^\s*\/\*\*[\s\S]*?\*\/\n/gm, "")
    .replace(/^\s*\/\/.*\n?/gm, "")
    .replace(/^export (?=async |class |const |function )/gm, "")
    .replace(/^export \{\s*\};\n/gm, "")
    // Indented by one where the compiler has four: the module is read by machines.
    .replace(/^(?: {4})+/gm, (indent) => " ".repeat(indent.length / 4));
