import { type Batch, type Column, createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";

export interface MixedOptions {
  /** Added to `distance`. */
  readonly shift?: number;
  /** Share of rows whose `distance` is null. */
  readonly missing?: number;
}

const carriers = ["AA", "B6", "DL", "UA"];

/** Rows of several types: a normal number, a count, a category, a text of few values. */
export function mixedBatch(rows: number, seed: number, { shift = 0, missing = 0.01 }: MixedOptions = {}): Batch {
  const random = createRandom(seed);
  const each = <Value>(make: () => Value): Value[] => Array.from({ length: rows }, make);
  const columns: Record<string, Column> = {
    distance: column(
      "float64",
      each(() => (random.next() < missing ? null : 10 + random.normal() + shift)),
    ),
    stops: column(
      "int32",
      each(() => Math.floor(random.next() * 4)),
    ),
    carrier: column(
      "utf8",
      each(() => carriers[Math.floor(random.next() ** 2 * carriers.length)]!),
    ),
    night: column(
      "bool",
      each(() => random.next() < 0.2),
    ),
  };
  return batchOf(columns);
}
