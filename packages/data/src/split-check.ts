import type { Dataset } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { isNull } from "./column.ts";
import { splitLeaks } from "./errors.ts";
import { asFloat64 } from "./float64.ts";
import { createRowIndex, rowTokens } from "./row-similarity.ts";
import { fieldNamed, hasherOf } from "./split.ts";
import { type Value } from "./column.ts";
import { valueAt } from "./value.ts";

export interface SplitCheckOptions {
  /** A column that names an entity: none may be in two parts. Rows without it are passed over. Default: not looked at. */
  readonly entity?: string | undefined;
  /** A time column: all of a part must lie before all of the next one, in the order of the parts. Default: not looked at. */
  readonly time?: string | undefined;
  /** Whether rows that are nearly those of another part are looked for. Default: true. */
  readonly nearDuplicates?: boolean | undefined;
  /** How similar rows must be to count as nearly the same, from 0.5 to 1: the share of their values that both have. Default: 0.9. */
  readonly similarity?: number | undefined;
  /** The columns compared for that. Default: all of the first part. */
  readonly columns?: readonly string[] | undefined;
  /** Most examples of each kind; counts go on. Default: 100. */
  readonly maxExamples?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where a row stands: in the order in which its part is walked, from 0. */
export interface RowPlace {
  readonly part: string;
  readonly row: number;
}

export interface SplitReport {
  /** Entities that are in more than one part. */
  readonly sharedEntities: number;
  /** Some of them, with the parts they are in. */
  readonly entityExamples: readonly { readonly entity: Value; readonly parts: readonly string[] }[];
  /** Neighbouring parts of which the earlier does not end before the later begins. Times in the column's unit. */
  readonly timeOverlaps: readonly {
    readonly earlier: string;
    readonly later: string;
    readonly latest: number;
    readonly earliest: number;
  }[];
  /** Rows that are nearly those of a later part. */
  readonly nearDuplicates: number;
  /** Some of them, each with one such row. */
  readonly nearDuplicateExamples: readonly {
    readonly row: RowPlace;
    readonly like: RowPlace;
    readonly similarity: number;
  }[];
  /** True where none of the above was found. */
  readonly clean: boolean;
}

type Parts = Readonly<Record<string, Dataset>>;

/**
 * Looks for what leaks from one part of a split to another: shared entities, times that overlap, rows that are nearly the same (of a thousand pairs
 * at the threshold one is missed at most, and none is found that is less similar). Reads every part up to three times; of all parts but the first, some
 * 500 bytes a row are held in memory, so put the largest first. Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, a RangeError.
 */
export async function checkSplit(parts: Parts, options: SplitCheckOptions = {}): Promise<SplitReport> {
  const { entity, time, nearDuplicates = true, similarity = 0.9, maxExamples = 100, signal } = options;
  if (!(similarity >= 0.5 && similarity <= 1))
    throw new RangeError(`The similarity must be from 0.5 to 1, not ${similarity}.`);
  const entities = entity === undefined ? noEntities : await sharedEntities(parts, entity, maxExamples, signal);
  const timeOverlaps = time === undefined ? [] : await overlaps(parts, time, signal);
  const [first] = Object.values(parts);
  const columns = options.columns ?? first?.schema.map(({ name }) => name) ?? [];
  const similar = nearDuplicates
    ? await similarRows(parts, { columns, similarity, maxExamples, signal })
    : { nearDuplicates: 0, nearDuplicateExamples: [] };
  return {
    ...entities,
    timeOverlaps,
    ...similar,
    clean: entities.sharedEntities === 0 && timeOverlaps.length === 0 && similar.nearDuplicates === 0,
  };
}

/** As `checkSplit`, and throws `DATA_SPLIT_LEAKS` with what it found, unless that is nothing. */
export async function assertSplit(parts: Parts, options: SplitCheckOptions = {}): Promise<void> {
  const report = await checkSplit(parts, options);
  if (report.clean) return;
  const shown = report.entityExamples
    .slice(0, 3)
    .map(({ entity, parts: names }) => `${String(entity)} in ${names.join(" and ")}`);
  const times = report.timeOverlaps.map(
    ({ earlier, later, latest, earliest }) => `"${earlier}" reaches ${latest}, "${later}" begins at ${earliest}`,
  );
  const [near] = report.nearDuplicateExamples;
  throw splitLeaks([
    ...(report.sharedEntities === 0
      ? []
      : [`${report.sharedEntities} entities are in several parts (${shown.join(", ")})`]),
    ...times,
    ...(near === undefined
      ? []
      : [
          `${report.nearDuplicates} rows are nearly those of another part ("${near.row.part}" row ${near.row.row} and "${near.like.part}" row ${near.like.row})`,
        ]),
  ]);
}

const noEntities: Pick<SplitReport, "sharedEntities" | "entityExamples"> = { sharedEntities: 0, entityExamples: [] };

async function sharedEntities(
  parts: Parts,
  entity: string,
  maxExamples: number,
  signal: AbortSignal | undefined,
): Promise<typeof noEntities> {
  // Two independent hashes of 32 bits: of a billion entities, two are taken for one with a probability of 3 %.
  const seen = new Map<bigint, Set<string>>();
  const examples = new Map<bigint, Value>();
  let shared = 0;
  for (const [part, dataset] of Object.entries(parts)) {
    fieldNamed(dataset, entity);
    for await (const batch of dataset.batches({ columns: [entity], signal })) {
      const column = columnOf(batch, entity);
      const [high, low] = [hasherOf(column, 0), hasherOf(column, 0x9747b28c)];
      for (let row = 0; row < column.length; row += 1) {
        if (isNull(column, row)) continue;
        const hash = (BigInt(high(row)) << 32n) | BigInt(low(row));
        const names = seen.get(hash);
        if (names === undefined) seen.set(hash, new Set([part]));
        else if (!names.has(part)) {
          names.add(part);
          if (names.size === 2) shared += 1;
          if (examples.size < maxExamples || examples.has(hash)) examples.set(hash, valueAt(column, row));
        }
      }
    }
  }
  const entityExamples = [...examples].map(([hash, value]) => ({ entity: value, parts: [...(seen.get(hash) ?? [])] }));
  return { sharedEntities: shared, entityExamples };
}

async function overlaps(
  parts: Parts,
  time: string,
  signal: AbortSignal | undefined,
): Promise<SplitReport["timeOverlaps"]> {
  const ranges: { readonly part: string; readonly earliest: number; readonly latest: number }[] = [];
  for (const [part, dataset] of Object.entries(parts)) {
    fieldNamed(dataset, time);
    let earliest = Number.POSITIVE_INFINITY;
    let latest = Number.NEGATIVE_INFINITY;
    for await (const batch of dataset.batches({ columns: [time], signal })) {
      for (const value of asFloat64(columnOf(batch, time))) {
        if (value < earliest) earliest = value;
        if (value > latest) latest = value;
      }
    }
    // A part without times lies nowhere.
    if (earliest <= latest) ranges.push({ part, earliest, latest });
  }
  return ranges.flatMap(({ part, earliest }, at) => {
    const before = ranges[at - 1];
    return before === undefined || before.latest < earliest
      ? []
      : [{ earlier: before.part, later: part, latest: before.latest, earliest }];
  });
}

interface SimilarOptions {
  readonly columns: readonly string[];
  readonly similarity: number;
  readonly maxExamples: number;
  readonly signal: AbortSignal | undefined;
}

/** From the last part to the first: each looks among the rows of those after it, and only then do others look among its own. */
async function similarRows(
  parts: Parts,
  { columns, similarity, maxExamples, signal }: SimilarOptions,
): Promise<Pick<SplitReport, "nearDuplicates" | "nearDuplicateExamples">> {
  const index = createRowIndex(similarity);
  const places: RowPlace[] = [];
  const examples: { row: RowPlace; like: RowPlace; similarity: number }[] = [];
  let found = 0;
  const backwards = Object.entries(parts).toReversed();
  for (const [at, [part, dataset]] of backwards.entries()) {
    for (const name of columns) fieldNamed(dataset, name);
    const own: (readonly [RowPlace, Uint32Array])[] = [];
    let row = 0;
    for await (const batch of dataset.batches({ columns, signal })) {
      for (const tokens of rowTokens(batch, columns)) {
        const like = index.find(tokens);
        const place = { part, row };
        if (like !== undefined) {
          found += 1;
          if (examples.length < maxExamples)
            examples.push({ row: place, like: places[like.id] as RowPlace, similarity: like.similarity });
        }
        if (at < backwards.length - 1) own.push([place, tokens]);
        row += 1;
      }
    }
    for (const [place, tokens] of own) index.add(places.push(place) - 1, tokens);
  }
  return { nearDuplicates: found, nearDuplicateExamples: examples };
}
