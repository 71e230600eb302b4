import type { ColumnType, Dataset, Field } from "@millwright/contracts";
import { isSmallDomain } from "../small-domain.ts";
import {
  type ColumnEvidence,
  createSchemaObserver,
  type SchemaEvidence,
  type SchemaObserverOptions,
} from "./schema-evidence.ts";
import type { ValueKind } from "./text-kind.ts";

/** The kind of a column's values; `Unknown`: it has none, or they are bytes or lists. */
export type InferredType = ValueKind | "Unknown";

/** What a column seems to be, and what speaks against it. JSON-safe. */
export interface InferredColumn {
  readonly name: string;
  readonly inferredType: InferredType;
  /** The column type that holds such values; of columns that are not text, their own. */
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly count: number;
  readonly missing: number;
  /** The first rows without a value, from 0; of text columns, at most `maxRows`. */
  readonly missingRows: readonly number[];
  /**
   * How sure it is that the next value fits, in [0, 1]: the lower end of the 95 % interval of Wilson (1927) for the share that fits, so that few rows
   * say little. 1 where the column's own type tells; 0 for a text column without values.
   */
  readonly confidence: number;
  /** Values that do not fit the type. */
  readonly contradictions: {
    readonly count: number;
    /** Their first rows, growing, from 0. */
    readonly rows: readonly number[];
    /** True where `rows` are all of them. */
    readonly complete: boolean;
  };
  /** The values that fit: all of them where they are few, or the range of the finite numbers. */
  readonly domain?: { readonly values: readonly string[] } | { readonly min: number; readonly max: number } | undefined;
}

/** JSON-safe. */
export interface InferredSchema {
  readonly formatVersion: 1;
  readonly rows: number;
  readonly columns: readonly InferredColumn[];
}

export interface InferenceOptions {
  /** Least share of values that fit a type other than String for it to be inferred, in (0.5, 1]. Default: 0.99. */
  readonly minShare?: number | undefined;
}

export interface InferSchemaOptions extends SchemaObserverOptions, InferenceOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Reads a dataset once and says what its columns seem to hold: for text columns as they come from CSV or NDJSON. */
export async function inferSchema(
  dataset: Dataset,
  { minShare, signal, ...options }: InferSchemaOptions = {},
): Promise<InferredSchema> {
  const observer = createSchemaObserver(dataset.schema, options);
  for await (const batch of dataset.batches({ signal })) observer.update(batch);
  return schemaFromEvidence(observer.evidence(), { minShare });
}

/** @returns what the evidence speaks for, in the order of the columns. */
export function schemaFromEvidence(
  { rows, columns, limits }: SchemaEvidence,
  { minShare = 0.99 }: InferenceOptions = {},
): InferredSchema {
  if (!(minShare > 0.5 && minShare <= 1)) throw new RangeError(`minShare must be in (0.5, 1], not ${minShare}.`);
  const inferred = Object.entries(columns).map(([name, evidence]) => ({
    name,
    nullable: evidence.missing > 0,
    count: evidence.count,
    missing: evidence.missing,
    missingRows: evidence.missingRows,
    ...(evidence.type === "utf8" || evidence.type === "dictionary"
      ? inferText(evidence, minShare, limits.maxRows)
      : ofTypedColumn(evidence)),
  }));
  return { formatVersion: 1, rows, columns: inferred };
}

/** @returns the fields to read the table with. */
export function fieldsOf(schema: InferredSchema): readonly Pick<Field, "name" | "type" | "nullable">[] {
  return schema.columns.map(({ name, type, nullable }) => ({ name, type, nullable }));
}

type Inferred = Pick<InferredColumn, "inferredType" | "type" | "confidence" | "contradictions" | "domain">;

/** Which values fit a type, from the narrowest type to the widest. */
const candidates: readonly (readonly [kind: ValueKind, type: ColumnType, fitting: readonly ValueKind[]])[] = [
  ["Integral", "int64", ["Integral"]],
  ["Fractional", "float64", ["Integral", "Fractional"]],
  ["Boolean", "bool", ["Boolean"]],
  ["Date", "date", ["Date"]],
  ["Timestamp", "timestamp", ["Date", "Timestamp"]],
];

function inferText(evidence: ColumnEvidence, minShare: number, maxRows: number): Inferred {
  const { count, kinds } = evidence;
  if (count === 0) {
    const none = { count: 0, rows: [], complete: true };
    return { inferredType: "Unknown", type: evidence.type, confidence: 0, contradictions: none };
  }
  const matching = (fitting: readonly ValueKind[]): number =>
    fitting.reduce((sum, kind) => sum + (kinds[kind]?.count ?? 0), 0);
  const found = candidates.find(([, , fitting]) => matching(fitting) / count >= minShare);
  if (found === undefined)
    return {
      inferredType: "String",
      type: evidence.type,
      confidence: wilsonLower(count, count),
      contradictions: { count: 0, rows: [], complete: true },
      ...domainOfTexts(evidence),
    };
  const [inferredType, type, fitting] = found;
  return {
    inferredType,
    type,
    confidence: wilsonLower(matching(fitting), count),
    contradictions: contradictionsOf(evidence, fitting, maxRows),
    ...(inferredType === "Boolean" ? { domain: { values: ["false", "true"] } } : rangeOf(evidence, fitting)),
  };
}

function contradictionsOf(
  { kinds }: ColumnEvidence,
  fitting: readonly ValueKind[],
  maxRows: number,
): InferredColumn["contradictions"] {
  const others = Object.entries(kinds).filter(([kind]) => !fitting.includes(kind as ValueKind));
  const count = others.reduce((sum, [, each]) => sum + each.count, 0);
  // The first rows of each kind hold the first of all.
  const rows = others
    .flatMap(([, each]) => each.rows)
    .sort((a, b) => a - b)
    .slice(0, maxRows);
  return { count, rows, complete: rows.length === count };
}

function rangeOf({ kinds }: ColumnEvidence, fitting: readonly ValueKind[]): Pick<Inferred, "domain"> {
  const ends = fitting.flatMap((kind) => [kinds[kind]?.min, kinds[kind]?.max]).filter((end) => end !== undefined);
  return ends.length === 0 ? {} : { domain: { min: Math.min(...ends), max: Math.max(...ends) } };
}

function domainOfTexts({ count, texts }: ColumnEvidence): Pick<Inferred, "domain"> {
  if (texts === undefined || !isSmallDomain(texts.size, count)) return {};
  return { domain: { values: [...texts.keys()].sort() } };
}

const typedKinds: Readonly<Partial<Record<ColumnType, InferredType>>> = {
  float32: "Fractional",
  float64: "Fractional",
  bool: "Boolean",
  date: "Date",
  timestamp: "Timestamp",
  binary: "Unknown",
  list: "Unknown",
};

function ofTypedColumn({ type }: ColumnEvidence): Inferred {
  return {
    inferredType: typedKinds[type] ?? "Integral",
    type,
    confidence: 1,
    contradictions: { count: 0, rows: [], complete: true },
  };
}

/** The lower end of Wilson's score interval at 95 %. */
function wilsonLower(hits: number, count: number): number {
  const z = 1.959963984540054;
  const share = hits / count;
  const center = share + (z * z) / (2 * count);
  const spread = z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count));
  return Math.max(0, (center - spread) / (1 + (z * z) / count));
}
