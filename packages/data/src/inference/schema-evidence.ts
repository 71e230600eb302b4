import type { Batch, Column, ColumnType, Schema } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { nullCount } from "../column.ts";
import { columnType, schemaMismatch } from "../errors.ts";
import { toArray } from "../value.ts";
import { kindOfText, numberOfText, type ValueKind, valueKinds } from "./text-kind.ts";

/** What was met of one kind of value in a column. */
export interface KindEvidence {
  readonly count: number;
  /** The first rows with such a value, growing. */
  readonly rows: readonly number[];
  /** Smallest and largest finite number; absent where there is none. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** What was met in one column. Of columns that are not text, only the counts. */
export interface ColumnEvidence {
  readonly type: ColumnType;
  /** Rows with a value. */
  readonly count: number;
  /** Rows that are null or hold a text that stands for null. */
  readonly missing: number;
  /** The first of them, growing; of text columns. */
  readonly missingRows: readonly number[];
  readonly kinds: Readonly<Partial<Record<ValueKind, KindEvidence>>>;
  /** Counts of every text met; absent where there were more than `maxTexts`. */
  readonly texts?: ReadonlyMap<string, number> | undefined;
}

/** What was met of a table so far. Survives `structuredClone`; bounded by the number of columns and the options. */
export interface SchemaEvidence {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ColumnEvidence>>;
  readonly limits: KeptLimits;
}

export interface EvidenceLimits {
  /** Most row numbers kept for each kind of value in a column. Default: 10,000. */
  readonly maxRows?: number | undefined;
  /** Most distinct texts kept a column, to tell its domain. Default: 100. */
  readonly maxTexts?: number | undefined;
}

interface KeptLimits {
  readonly maxRows: number;
  readonly maxTexts: number;
}

export interface SchemaObserverOptions extends EvidenceLimits {
  /** Texts that stand for a missing value. Default: only the empty text. */
  readonly nullTexts?: readonly string[] | undefined;
}

/** Looks at a table batch by batch. */
export interface SchemaObserver {
  /** Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`. */
  update(batch: Batch): void;
  /** What was met so far; more may follow. */
  evidence(): SchemaEvidence;
}

export function createSchemaObserver(
  schema: Schema,
  { maxRows = 10_000, maxTexts = 100, nullTexts = [""] }: SchemaObserverOptions = {},
): SchemaObserver {
  for (const [name, limit] of Object.entries({ maxRows, maxTexts })) {
    if (!(Number.isInteger(limit) && limit >= 0))
      throw new RangeError(`${name} must be an integer from 0, not ${limit}.`);
  }
  const limits = { maxRows, maxTexts };
  const missing = new Set(nullTexts);
  const observers = schema.map(({ name, type }) => ({ name, type, observer: observe(type, limits, missing) }));
  let rows = 0;
  return {
    update(batch) {
      const columns = observers.map(({ name, type }) => {
        const column = columnOf(batch, name);
        if (column.type !== type) throw columnType(name, column.type, type);
        return column;
      });
      for (const [index, { observer }] of observers.entries()) observer.update(columns[index] as Column, rows);
      rows += batch.length;
    },
    evidence: () => ({
      rows,
      columns: Object.fromEntries(observers.map(({ name, observer }) => [name, observer.evidence()])),
      limits,
    }),
  };
}

interface ColumnObserver {
  update(column: Column, firstRow: number): void;
  evidence(): ColumnEvidence;
}

function observe(type: ColumnType, limits: KeptLimits, nullTexts: ReadonlySet<string>): ColumnObserver {
  if (type === "utf8" || type === "dictionary") return observeTexts(type, limits, nullTexts);
  let count = 0;
  let missing = 0;
  return {
    update(column) {
      const nulls = nullCount(column);
      missing += nulls;
      count += column.length - nulls;
    },
    evidence: () => ({ type, count, missing, missingRows: [], kinds: {} }),
  };
}

function observeTexts(
  type: ColumnType,
  { maxRows, maxTexts }: KeptLimits,
  nullTexts: ReadonlySet<string>,
): ColumnObserver {
  const tallies = new Map(valueKinds.map((kind) => [kind, createKindTally(maxRows)] as const));
  const missing = createKindTally(maxRows);
  let texts: Map<string, number> | undefined = new Map<string, number>();
  return {
    update(column, firstRow) {
      for (const [row, text] of (toArray(column) as (string | null)[]).entries()) {
        if (text === null || nullTexts.has(text)) {
          missing.add(firstRow + row);
          continue;
        }
        const kind = kindOfText(text);
        const number = kind === "Integral" || kind === "Fractional" ? numberOfText(text) : Number.NaN;
        tallies.get(kind)?.add(firstRow + row, number);
        texts?.set(text, (texts.get(text) ?? 0) + 1);
        if (texts !== undefined && texts.size > maxTexts) texts = undefined;
      }
    },
    evidence() {
      const kinds = [...tallies].map(([kind, tally]) => [kind, tally.evidence()] as const);
      const met = kinds.filter(([, { count }]) => count > 0);
      const { count, rows } = missing.evidence();
      return {
        type,
        count: met.reduce((sum, [, each]) => sum + each.count, 0),
        missing: count,
        missingRows: rows,
        kinds: Object.fromEntries(met),
        ...(texts === undefined ? {} : { texts: new Map(texts) }),
      };
    },
  };
}

function createKindTally(maxRows: number): {
  add(row: number, number?: number): void;
  evidence(): KindEvidence;
} {
  const rows: number[] = [];
  let count = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  return {
    add(row, number = Number.NaN) {
      count += 1;
      if (rows.length < maxRows) rows.push(row);
      if (!Number.isFinite(number)) return;
      // −0 would not survive JSON.
      if (number < min) min = number + 0;
      if (number > max) max = number + 0;
    },
    evidence: () => ({ count, rows: [...rows], ...(max >= min ? { min, max } : {}) }),
  };
}

/**
 * What was met in the rows of all, in this order: rows of a later part are numbered after those of the earlier ones. Exactly associative, and equal to one look at
 * all rows. Throws `DATA_SCHEMA_MISMATCH`.
 */
export function mergeSchemaEvidence(first: SchemaEvidence, ...rest: readonly SchemaEvidence[]): SchemaEvidence {
  return rest.reduce((earlier, later) => {
    const names = Object.keys(earlier.columns);
    if (JSON.stringify([names, earlier.limits]) !== JSON.stringify([Object.keys(later.columns), later.limits]))
      throw schemaMismatch(
        `one part has the columns ${names.join(", ")}, the other ${Object.keys(later.columns).join(", ")}, or other limits`,
      );
    const merged = names.map((name) => {
      const [a, b] = [earlier.columns[name] as ColumnEvidence, later.columns[name] as ColumnEvidence];
      if (a.type !== b.type)
        throw schemaMismatch(`the column "${name}" is ${a.type} in one part and ${b.type} in the other`);
      return [name, mergeColumns(a, b, earlier.rows, earlier.limits)] as const;
    });
    return { rows: earlier.rows + later.rows, columns: Object.fromEntries(merged), limits: earlier.limits };
  }, first);
}

function mergeColumns(
  a: ColumnEvidence,
  b: ColumnEvidence,
  rows: number,
  { maxRows, maxTexts }: KeptLimits,
): ColumnEvidence {
  const joined = (x: readonly number[], y: readonly number[]): readonly number[] => [
    ...x,
    ...y.slice(0, Math.max(0, maxRows - x.length)).map((row) => row + rows),
  ];
  const kinds = valueKinds
    .filter((kind) => a.kinds[kind] !== undefined || b.kinds[kind] !== undefined)
    .map((kind) => {
      const [x, y] = [a.kinds[kind], b.kinds[kind]];
      const ends = [x?.min, x?.max, y?.min, y?.max].filter((end) => end !== undefined);
      return [
        kind,
        {
          count: (x?.count ?? 0) + (y?.count ?? 0),
          rows: joined(x?.rows ?? [], y?.rows ?? []),
          ...(ends.length === 0 ? {} : { min: Math.min(...ends), max: Math.max(...ends) }),
        },
      ] as const;
    });
  return {
    type: a.type,
    count: a.count + b.count,
    missing: a.missing + b.missing,
    missingRows: joined(a.missingRows, b.missingRows),
    kinds: Object.fromEntries(kinds),
    ...mergeTexts(a.texts, b.texts, maxTexts),
  };
}

function mergeTexts(
  a: ColumnEvidence["texts"],
  b: ColumnEvidence["texts"],
  maxTexts: number,
): Pick<ColumnEvidence, "texts"> {
  if (a === undefined || b === undefined) return {};
  const texts = new Map(a);
  for (const [text, count] of b) texts.set(text, (texts.get(text) ?? 0) + count);
  return texts.size > maxTexts ? {} : { texts };
}
