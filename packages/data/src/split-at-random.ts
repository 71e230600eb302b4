import { type Column, createRandom, type Dataset, type Random } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { createDataset } from "./dataset.ts";
import { columnType } from "./errors.ts";
import { takeRows } from "./rows.ts";
import { fieldNamed, sharesOf } from "./split.ts";
import { toArray } from "./value.ts";

export interface RandomSplitOptions<Part extends string> {
  /** Share of the rows by part; they sum to 1. */
  readonly shares: Readonly<Record<Part, number>>;
  /** A column each of whose values keeps its share in every part: the label, as a rule. Default: none. */
  readonly stratifyBy?: string | undefined;
  /** Another seed cuts elsewhere. Default: 0. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Cuts a dataset at random, each part of exactly its share of the rows (of each stratum's rows, where there are strata), rounded so that all rows are in one
 * part. Reads the dataset once to count; the parts are read lazily from the whole, whose rows must come in the same order at each walk.
 * Rows of one entity may fall on several sides: `splitByHash` keeps them together. Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, a RangeError.
 */
export async function splitAtRandom<Part extends string>(
  dataset: Dataset,
  { shares, stratifyBy, seed = 0, signal }: RandomSplitOptions<Part>,
): Promise<Readonly<Record<Part, Dataset>>> {
  const parts = sharesOf(shares);
  if (stratifyBy !== undefined) {
    const { type } = fieldNamed(dataset, stratifyBy);
    if (type === "list" || type === "binary") throw columnType(stratifyBy, type, "text, a number or a boolean");
  }
  const counts = new Map<string, number>();
  for await (const batch of dataset.batches({ columns: columnsFor(dataset, stratifyBy, []), signal })) {
    const strata = strataOf(stratifyBy === undefined ? undefined : columnOf(batch, stratifyBy), batch.length);
    for (const stratum of strata) counts.set(stratum, (counts.get(stratum) ?? 0) + 1);
  }
  const datasets = parts.map(
    ([name], part) => [name, partOf(dataset, { part, parts, counts, stratifyBy, seed })] as const,
  );
  return Object.fromEntries(datasets) as Record<Part, Dataset>;
}

/** A column has to be read even where none is asked for: without one, nobody knows how many rows there are. */
function columnsFor({ schema }: Dataset, stratifyBy: string | undefined, asked: readonly string[]): readonly string[] {
  const needed = stratifyBy ?? schema[0]?.name;
  return needed === undefined || asked.includes(needed) ? asked : [...asked, needed];
}

function strataOf(column: Column | undefined, length: number): readonly string[] {
  return column === undefined
    ? Array.from({ length }, () => "")
    : toArray(column).map((value) => (value === null ? "null" : `=${String(value)}`));
}

interface PartOptions {
  readonly part: number;
  readonly parts: readonly (readonly [string, number])[];
  readonly counts: ReadonlyMap<string, number>;
  readonly stratifyBy: string | undefined;
  readonly seed: number;
}

function partOf(dataset: Dataset, { part, parts, counts, stratifyBy, seed }: PartOptions): Dataset {
  return createDataset({
    schema: dataset.schema,
    rows: [...counts.values()].reduce((sum, count) => sum + (quotasOf(parts, count)[part] as number), 0),
    async *walk({ columns, signal }) {
      // All parts draw the same numbers, so each row is in exactly one of them.
      const urns = new Map<string, Urn>();
      for await (const batch of dataset.batches({ columns: columnsFor(dataset, stratifyBy, columns), signal })) {
        const strata = strataOf(stratifyBy === undefined ? undefined : columnOf(batch, stratifyBy), batch.length);
        const rows = strata.flatMap((stratum, row) => {
          const urn =
            urns.get(stratum) ?? urnOf(quotasOf(parts, counts.get(stratum) ?? 0), createRandom(seed).fork(stratum));
          urns.set(stratum, urn);
          return urn.draw() === part ? [row] : [];
        });
        if (rows.length > 0) yield takeRows(batch, Int32Array.from(rows));
      }
    },
  });
}

/** Rows by part: whole numbers that sum to `count`, each within one of its share. */
function quotasOf(parts: readonly (readonly [string, number])[], count: number): readonly number[] {
  let share = 0;
  let given = 0;
  return parts.map(([, each], index) => {
    share += each;
    const upTo = index === parts.length - 1 ? count : Math.round(share * count);
    const quota = upTo - given;
    given = upTo;
    return quota;
  });
}

interface Urn {
  /** @returns a part; −1 when all were drawn. */
  draw(): number;
}

/** Draws parts without putting them back: Knuth, The Art of Computer Programming, volume 2, algorithm 3.4.2 S. */
function urnOf(quotas: readonly number[], random: Random): Urn {
  const left = [...quotas];
  let total = left.reduce((sum, each) => sum + each, 0);
  return {
    draw() {
      let at = random.next() * total;
      total -= 1;
      const part = left.findIndex((each) => {
        at -= each;
        return at < 0;
      });
      if (part >= 0) left[part] = (left[part] as number) - 1;
      return part;
    },
  };
}
