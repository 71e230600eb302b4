import type { ColumnReport, DataReport } from "./data-report.ts";

/** A number or a text that is another one in the later report. */
export interface DataReportChange {
  /** Undefined where it is about the whole table. */
  readonly column?: string | undefined;
  /** Where it stands in the report: `missingShare`, `numbers.quantiles.p50`, `texts.top.UA`. */
  readonly field: string;
  /** Undefined where it was not there. */
  readonly before?: number | string | undefined;
  /** Undefined where it is there no more. */
  readonly after?: number | string | undefined;
}

/** What is other in the second report than in the first: empty lists where nothing is. */
export interface DataReportDiff {
  readonly addedColumns: readonly string[];
  readonly removedColumns: readonly string[];
  /** Of columns that are in both, in the order of the later report. */
  readonly changes: readonly DataReportChange[];
}

/** Compares two reports number by number. Bins of histograms are not compared: their edges move with the values. */
export function diffDataReports(before: DataReport, after: DataReport): DataReportDiff {
  const earlier = new Map(before.columns.map((column) => [column.name, column]));
  const names = after.columns.map(({ name }) => name);
  const table = changesOf({ rows: before.rows }, { rows: after.rows });
  const columns = after.columns.flatMap((column) => {
    const was = earlier.get(column.name);
    if (was === undefined) return [];
    return changesOf(leavesOf(was), leavesOf(column)).map((change) => ({ column: column.name, ...change }));
  });
  return {
    addedColumns: names.filter((name) => !earlier.has(name)),
    removedColumns: before.columns.map(({ name }) => name).filter((name) => !names.includes(name)),
    changes: [...table, ...columns],
  };
}

type Leaves = Readonly<Record<string, number | string>>;

function leavesOf({ numbers, texts, ...column }: ColumnReport): Leaves {
  const { name: _name, distinct, ...counts } = column;
  const { quantiles, histogram: _histogram, ...moments } = numbers ?? { quantiles: {}, histogram: [] };
  return {
    ...counts,
    ...(distinct === null ? {} : { distinct }),
    ...prefixed("numbers", moments),
    ...prefixed("numbers.quantiles", quantiles),
    ...(texts === null
      ? {}
      : { "texts.others": texts.others, ...prefixed("texts.top", Object.fromEntries(texts.top)) }),
  };
}

const prefixed = (prefix: string, values: Readonly<Record<string, number>>): Leaves =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]));

function changesOf(before: Leaves, after: Leaves): readonly DataReportChange[] {
  const fields = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...fields].flatMap((field) => {
    const [was, is] = [before[field], after[field]];
    if (was === is) return [];
    return [{ field, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) }];
  });
}
