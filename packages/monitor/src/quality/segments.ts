import { qualityInvalid } from "../errors.ts";

export type SegmentValue = string | number | boolean | null | undefined;

/** What was found of the rows that have one value of a segment column. */
export interface SegmentScore<Report> {
  readonly segment: string;
  readonly value: SegmentValue;
  readonly rows: number;
  readonly report: Report;
}

export interface SegmentOptions {
  /** Values of fewer rows are left out. Default: 1. */
  readonly minimumRows?: number | undefined;
  /** Most values of a column, those of most rows. Default: 100. */
  readonly mostValues?: number | undefined;
}

/**
 * Scores the rows of each value of each column for themselves: column by column, values of most rows first. Throws `MONITOR_QUALITY_INVALID`.
 * @param score Given the numbers of rows; `pickRows` picks their values.
 */
export function scoreSegments<Report>(
  segments: Readonly<Record<string, ArrayLike<SegmentValue>>>,
  score: (rows: Int32Array) => Report,
  { minimumRows = 1, mostValues = 100 }: SegmentOptions = {},
): readonly SegmentScore<Report>[] {
  if (typeof score !== "function") throw qualityInvalid("nothing is given that scores rows");
  return Object.entries(segments).flatMap(([segment, values]) => {
    const groups = new Map<SegmentValue, number[]>();
    for (let row = 0; row < values.length; row += 1) {
      const rows = groups.get(values[row]);
      if (rows === undefined) groups.set(values[row], [row]);
      else rows.push(row);
    }
    return [...groups]
      .filter(([, rows]) => rows.length >= minimumRows)
      .toSorted(([, a], [, b]) => b.length - a.length)
      .slice(0, mostValues)
      .map(([value, rows]) => ({ segment, value, rows: rows.length, report: score(Int32Array.from(rows)) }));
  });
}

/** The values of some rows, in their order. */
export const pickRows = <Value>(values: ArrayLike<Value>, rows: Int32Array): Value[] =>
  Array.from(rows, (row) => values[row] as Value);
