import type { JsonValue } from "@millwright/contracts";
import { isTree } from "./card-content.ts";

/** A field that two records do not have alike. */
export interface FieldDifference {
  /** Such as `provenance.metrics.auc` or `files[0].digest`. */
  readonly path: string;
  /** Undefined where it is not there. */
  readonly was: JsonValue | undefined;
  readonly is: JsonValue | undefined;
}

/** Every field that differs, in the order of the paths of `was`, then what only `is` has. Of a field that is an object in both, its fields. */
export function fieldDifferences(was: unknown, is: unknown, path = ""): FieldDifference[] {
  if (Array.isArray(was) && Array.isArray(is)) {
    const longer = was.length >= is.length ? was : is;
    return longer.flatMap((_: unknown, index) => fieldDifferences(was[index], is[index], `${path}[${index}]`));
  }
  if (isTree(was) && isTree(is)) {
    const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    return names.flatMap((name) => fieldDifferences(was[name], is[name], path === "" ? name : `${path}.${name}`));
  }
  return Object.is(was, is) ? [] : [{ path, was: was as JsonValue | undefined, is: is as JsonValue | undefined }];
}
