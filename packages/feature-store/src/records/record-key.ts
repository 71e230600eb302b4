import type { FeatureView } from "../definition/definition.ts";
import { recordMissing } from "../errors.ts";
import { batchOfFields, entityKeysOf, keySchema, type SourceRow } from "../definition/source-columns.ts";

/** The text that stands for an entity online. Throws `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
export function keyOf(view: FeatureView, keys: SourceRow): string {
  const batch = batchOfFields(`The keys of a record in "${view.name}"`, keySchema(view), [keys]);
  const [key] = entityKeysOf(view.entity.keys, batch);
  if (key === undefined) throw recordMissing(view.name, shown(keys));
  return key;
}

/** Keys as they stand in a message. */
export const shown = (keys: SourceRow): string =>
  JSON.stringify(keys, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
