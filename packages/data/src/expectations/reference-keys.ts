import type { Dataset } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { keyTexts } from "../key-text.ts";

/** The distinct values of a column that others refer to. */
export interface ReferenceKeys {
  readonly keys: ReadonlySet<string>;
  /** False where the column holds more than the bound: then a value that is not among `keys` may still be there. */
  readonly complete: boolean;
}

export interface ReferenceKeysOptions {
  /** Most distinct values kept, from 1; about 100 bytes each. Default: 200,000. */
  readonly maxKeys?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const defaultMaxKeys = 200_000;

/** Reads the distinct values of a column, for `expectReferences`. Nulls are none. Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE` for lists. */
export async function readReferenceKeys(
  dataset: Dataset,
  column: string,
  { maxKeys = defaultMaxKeys, signal }: ReferenceKeysOptions = {},
): Promise<ReferenceKeys> {
  assertMaxKeys(maxKeys);
  const keys = new Set<string>();
  for await (const batch of dataset.batches({ columns: [column], signal })) {
    const keyAt = keyTexts(column, columnOf(batch, column));
    for (let row = 0; row < batch.length; row += 1) {
      const key = keyAt(row);
      if (key === undefined || keys.has(key)) continue;
      if (keys.size === maxKeys) return { keys, complete: false };
      keys.add(key);
    }
  }
  return { keys, complete: true };
}

export function assertMaxKeys(maxKeys: number): void {
  if (!(Number.isInteger(maxKeys) && maxKeys > 0))
    throw new RangeError(`maxKeys must be a positive integer, not ${maxKeys}.`);
}
