import { type JsonObject, type JsonValue, canonicalJson } from "@millwright/contracts";
import type { ConfigurationDifference } from "./configuration.ts";

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** A name as a part of a JSON Pointer. */
export const pointer = (name: string): string => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** Every difference between two documents, each at the smallest place that differs; lists are compared as wholes. In the order of the names. */
export function differencesOf(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  path = "",
): readonly ConfigurationDifference[] {
  if (before === undefined) return after === undefined ? [] : [{ path, kind: "added", after }];
  if (after === undefined) return [{ path, kind: "removed", before }];
  if (isObject(before) && isObject(after))
    return [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .toSorted()
      .flatMap((name) => differencesOf(before[name], after[name], path + pointer(name)));
  return canonicalJson(before) === canonicalJson(after) ? [] : [{ path, kind: "changed", before, after }];
}
