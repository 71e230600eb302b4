import type { Dataset } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { distributionDistance } from "../distribution-distance.ts";
import { columnMissing, columnType } from "../errors.ts";
import { keyTexts, rowKeys } from "../key-text.ts";
import type { ColumnProfile } from "../profile.ts";

export interface CheckLabelsOptions {
  /** The column of classes: any type but float and list. */
  readonly label: string;
  /** The columns that should decide the label. Default: all others. */
  readonly features?: readonly string[] | undefined;
  /** Rows by class of a reference, such as `classes` of an earlier report; drift is told against it. */
  readonly baseline?: Readonly<Record<string, number>> | undefined;
  /** Largest ratio of the most to the least frequent class, from 1: the ClassImbalance rule of SageMaker. Default: 10. */
  readonly maxImbalance?: number | undefined;
  /** Largest `distributionDistance` of the classes from the baseline, in [0, 1]. Default: 0.1. */
  readonly maxDrift?: number | undefined;
  /** Most distinct combinations of features kept, about 150 bytes each. Default: 200,000. */
  readonly maxKeys?: number | undefined;
  /** Most conflicts named. Default: 20. */
  readonly maxSamples?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is wrong with the labels of a table. JSON-safe. */
export interface LabelReport {
  readonly formatVersion: 1;
  readonly rows: number;
  /** Rows without a label; they are left aside. */
  readonly missing: number;
  /** Rows by class. */
  readonly classes: Readonly<Record<string, number>>;
  readonly imbalance: {
    /** Rows of the most frequent class for each of the least frequent; 1 below two classes. */
    readonly ratio: number;
    readonly threshold: number;
    readonly passed: boolean;
  };
  /** Equal features with different labels; nulls are equal to each other. */
  readonly conflicts: {
    /** Combinations of features that have several labels. */
    readonly groups: number;
    /** Rows in them. */
    readonly rows: number;
    /** Labels that must be wrong, whichever are right: the rows of each group less those of its most frequent label. */
    readonly leastWrong: number;
    /** The first row of a group and the first with another label, in the order in which conflicts show; rows count from 0. */
    readonly samples: readonly (readonly [row: number, conflictingRow: number])[];
    /** Rows whose features were not kept since there were more than `maxKeys`: conflicts among them are not known. */
    readonly unknown: number;
  };
  readonly drift?: { readonly distance: number; readonly threshold: number; readonly passed: boolean } | undefined;
}

/** More distinct values are no classes. */
const largestClassCount = 1000;

/**
 * Reads a dataset once and says what is wrong with its labels: equal features with different labels, classes that are too rare, and shares that drifted.
 * Throws `DATA_COLUMN_MISSING`, and `DATA_COLUMN_TYPE` for labels that are no classes: floats, lists, or more than 1,000 distinct values.
 */
export async function checkLabels(
  dataset: Dataset,
  { label, features, baseline, maxImbalance = 10, maxDrift = 0.1, signal, ...limits }: CheckLabelsOptions,
): Promise<LabelReport> {
  if (!(maxImbalance >= 1)) throw new RangeError(`maxImbalance must be from 1, not ${maxImbalance}.`);
  if (!(maxDrift >= 0 && maxDrift <= 1)) throw new RangeError(`maxDrift must be in [0, 1], not ${maxDrift}.`);
  const names = dataset.schema.map(({ name }) => name);
  const type = dataset.schema.find(({ name }) => name === label)?.type;
  if (type === undefined) throw columnMissing(label, names);
  if (type === "float32" || type === "float64") throw columnType(label, type, "a type of classes");
  const used = features ?? names.filter((name) => name !== label);
  const classes = new Map<string, number>();
  const conflicts = createConflictFinder(limits);
  let rows = 0;
  let missing = 0;
  for await (const batch of dataset.batches({ columns: [...new Set([label, ...used])], signal })) {
    const labelAt = keyTexts(label, columnOf(batch, label));
    const keyAt = rowKeys(used.map((name) => [name, columnOf(batch, name)] as const));
    for (let row = 0; row < batch.length; row += 1) {
      const text = labelAt(row);
      if (text === undefined) {
        missing += 1;
        continue;
      }
      classes.set(text, (classes.get(text) ?? 0) + 1);
      if (classes.size > largestClassCount)
        throw columnType(label, `${type} with more than ${largestClassCount} distinct values`, "a column of classes");
      if (used.length > 0) conflicts.add(keyAt(row), text, rows + row);
    }
    rows += batch.length;
  }
  return {
    formatVersion: 1,
    rows,
    missing,
    classes: Object.fromEntries([...classes].sort(([a], [b]) => (a < b ? -1 : 1))),
    imbalance: imbalanceOf(classes, maxImbalance),
    conflicts: conflicts.summary(),
    ...(baseline === undefined ? {} : driftOf(classes, baseline, maxDrift)),
  };
}

function imbalanceOf(classes: ReadonlyMap<string, number>, threshold: number): LabelReport["imbalance"] {
  const counts = [...classes.values()];
  const ratio = counts.length < 2 ? 1 : Math.max(...counts) / Math.min(...counts);
  return { ratio, threshold, passed: ratio <= threshold };
}

function driftOf(
  classes: ReadonlyMap<string, number>,
  baseline: Readonly<Record<string, number>>,
  threshold: number,
): Pick<LabelReport, "drift"> {
  const distance = distributionDistance(profileOfCounts(new Map(Object.entries(baseline))), profileOfCounts(classes));
  return Number.isNaN(distance) ? {} : { drift: { distance, threshold, passed: distance <= threshold } };
}

function profileOfCounts(counts: ReadonlyMap<string, number>): ColumnProfile {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const frequent = { capacity: Math.max(1, counts.size), total, error: 0, counts };
  return { type: "utf8", count: total, missing: 0, nonFinite: 0, frequent };
}

interface ConflictFinder {
  add(key: string, label: string, row: number): void;
  summary(): LabelReport["conflicts"];
}

interface Group {
  readonly firstRow: number;
  readonly label: string;
  rows: number;
  /** Once there are several. */
  labels?: Map<string, number>;
}

function createConflictFinder({
  maxKeys = 200_000,
  maxSamples = 20,
}: Pick<CheckLabelsOptions, "maxKeys" | "maxSamples">): ConflictFinder {
  if (!(Number.isInteger(maxKeys) && maxKeys > 0))
    throw new RangeError(`maxKeys must be a positive integer, not ${maxKeys}.`);
  const groups = new Map<string, Group>();
  const samples: (readonly [number, number])[] = [];
  let unknown = 0;
  return {
    add(key, label, row) {
      const group = groups.get(key);
      if (group === undefined) {
        if (groups.size >= maxKeys) unknown += 1;
        else groups.set(key, { firstRow: row, label, rows: 1 });
        return;
      }
      if (group.labels === undefined && label !== group.label) {
        group.labels = new Map([[group.label, group.rows]]);
        if (samples.length < maxSamples) samples.push([group.firstRow, row]);
      }
      group.rows += 1;
      group.labels?.set(label, (group.labels.get(label) ?? 0) + 1);
    },
    summary() {
      const torn = [...groups.values()].filter((group) => group.labels !== undefined);
      return {
        groups: torn.length,
        rows: torn.reduce((sum, group) => sum + group.rows, 0),
        leastWrong: torn.reduce((sum, { rows, labels }) => sum + rows - Math.max(...(labels?.values() ?? [])), 0),
        samples: [...samples],
        unknown,
      };
    },
  };
}
