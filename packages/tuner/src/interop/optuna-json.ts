import type { JsonValue } from "@millwright/contracts";

/** Python writes NaN and infinities as bare words, which JSON has not: they become numbers here all the same. */
const words = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;
const marks: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity };
const prefix = "\u0000number:";

/** Parses what Python's json module writes. Throws SyntaxError. */
export function parsePythonJson(text: string): JsonValue {
  const marked = text.replaceAll(words, (found) =>
    found.startsWith('"') ? found : JSON.stringify(`${prefix}${found}`),
  );
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(prefix) ? marks[value.slice(prefix.length)] : value,
  ) as JsonValue;
}

/** Writes numbers as Python's json module reads them. */
export function printPythonJson(value: unknown): string {
  const marked = JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "number" && !Number.isFinite(each) ? `${prefix}${String(each)}` : each,
  );
  return marked.replaceAll(/"\\u0000number:(NaN|-?Infinity)"/g, "$1");
}
