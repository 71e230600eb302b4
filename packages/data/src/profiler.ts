import type { BoolColumn, BytesColumn, Column, ColumnType, NumericColumn } from "@millwright/contracts";
import { isNumericType, nullCount } from "./column.ts";
import { addNumbersToDistinct, emptyDistinct } from "./distinct.ts";
import { writeFloat64 } from "./float64.ts";
import { addFrequent, emptyFrequent } from "./frequent.ts";
import { emptyMoments, mergeMoments, momentsOf } from "./moments.ts";
import type { ColumnProfile, ProfileOptions } from "./profile.ts";
import { createNumberSketcher, emptyQuantileSketch } from "./quantile-sketch.ts";
import { createRankSketcher } from "./rank-sketch.ts";
import { machine } from "./simd/machine.ts";
import { addNumberRows } from "./simd/number-rows.ts";
import { createTextCounter } from "./text-counter.ts";
import { countBools, createWholeNumbers, type WholeNumbers, wholesAtOnce, withCounted } from "./whole-numbers.ts";

/** Collects the profile of one column. */
export interface ColumnProfiler {
  update(column: Column): void;
  profile(): ColumnProfile;
}

export function createColumnProfiler(type: ColumnType, options: ProfileOptions): ColumnProfiler {
  if (type === "bool") return createBoolProfiler(options);
  if (isNumericType(type)) return createNumberProfiler(type, options);
  if (type === "utf8" || type === "dictionary") return createTextProfiler(type, options);
  let count = 0;
  let missing = 0;
  return {
    update(column) {
      const nulls = nullCount(column);
      missing += nulls;
      count += column.length - nulls;
    },
    profile: () => ({ type, count, missing, nonFinite: 0 }),
  };
}

function createBoolProfiler({ maxBuckets, maxTexts, rankError }: ProfileOptions): ColumnProfiler {
  const empty = emptyFrequent(maxTexts);
  const ranks = rankError === undefined ? undefined : createRankSketcher({ epsilon: rankError });
  let missing = 0;
  const met: [no: number, yes: number] = [0, 0];
  const none = emptyQuantileSketch(maxBuckets);
  return {
    update(column) {
      const [no, yes] = countBools(column as BoolColumn);
      missing += column.length - no - yes;
      met[0] += no;
      met[1] += yes;
      for (let start = 0; ranks !== undefined && start < column.length; start += rowsAtOnce) {
        writeFloat64(column, block, start);
        ranks.addAll(block, Math.min(rowsAtOnce, column.length - start));
      }
    },
    profile() {
      const filled = [0, 1].filter((value) => met[value as 0 | 1] > 0);
      const counted = {
        values: Float64Array.from(filled),
        counts: Float64Array.from(filled, (value) => met[value as 0 | 1]),
      };
      const { moments, quantiles, distinct } = withCounted(
        { moments: emptyMoments, quantiles: none, distinct: emptyDistinct() },
        counted,
      );
      const texts = filled.map((value) => [value === 1 ? "true" : "false", met[value as 0 | 1]] as const);
      return {
        type: "bool",
        count: moments.count,
        missing,
        nonFinite: 0,
        moments,
        quantiles,
        ...(ranks === undefined ? {} : { ranks: ranks.sketch() }),
        frequent: addFrequent(empty, new Map(texts)),
        distinct,
      };
    },
  };
}

/** Numbers that are looked at together: they stay in the processor's first cache. */
const rowsAtOnce = 2048;
/** Shared: nothing waits between filling it and reading it, and many small profiles are kept at one time. So few numbers stay in the processor's first caches, so that three passes cost one trip to memory. */
const block = new Float64Array(rowsAtOnce);
/** With fewer rows at one time, as on the path of a request, counts by value are more memory than they save time, and the machine is not worth its start. */
const manyRows = 1024;

function createNumberProfiler(type: ColumnType, { maxBuckets, rankError }: ProfileOptions): ColumnProfiler {
  const sketcher = createNumberSketcher(maxBuckets);
  const ranks = rankError === undefined ? undefined : createRankSketcher({ epsilon: rankError });
  const distinct = emptyDistinct();
  let whole: WholeNumbers | undefined;
  let moments = emptyMoments;
  let count = 0;
  let missing = 0;
  const addBlock = (column: Column, start: number, rows: number): void => {
    writeFloat64(column, block, start);
    moments = mergeMoments(moments, momentsOf(block, rows));
    sketcher.addAll(block, rows);
    ranks?.addAll(block, rows);
    addNumbersToDistinct(distinct, block, rows);
  };
  return {
    update(column) {
      const nulls = nullCount(column);
      missing += nulls;
      count += column.length - nulls;
      const many = column.length >= manyRows && ranks === undefined;
      if (many) whole ??= createWholeNumbers(type);
      const from = whole === undefined ? 0 : countWhole(whole, column);
      const quick = many && from < column.length ? machine() : undefined;
      if (quick !== undefined) {
        moments = addNumberRows(quick, column as NumericColumn, from, { sketcher, distinct }, moments);
        return;
      }
      for (let start = from; start < column.length; start += rowsAtOnce)
        addBlock(column, start, Math.min(rowsAtOnce, column.length - start));
    },
    profile() {
      const met = { moments, quantiles: sketcher.sketch(), distinct: distinct.slice() };
      const all = whole === undefined ? met : withCounted(met, whole.counted());
      return {
        type,
        count,
        missing,
        nonFinite: count - all.moments.count,
        moments: all.moments,
        quantiles: all.quantiles,
        ...(ranks === undefined ? {} : { ranks: ranks.sketch() }),
        distinct: all.distinct,
      };
    },
  };
}

/** @returns the first row that was not counted. */
function countWhole(whole: WholeNumbers, column: Column): number {
  for (let start = 0; start < column.length; start += wholesAtOnce)
    if (!whole.add(column, start, Math.min(column.length, start + wholesAtOnce))) return start;
  return column.length;
}

function createTextProfiler(type: ColumnType, { maxTexts }: ProfileOptions): ColumnProfiler {
  const distinct = emptyDistinct();
  const counter = createTextCounter(distinct, emptyFrequent(maxTexts));
  let count = 0;
  let missing = 0;
  return {
    update(column) {
      if (column.type === "dictionary") counter.addDictionary(column);
      else counter.addTexts(column as BytesColumn);
      const nulls = nullCount(column);
      missing += nulls;
      count += column.length - nulls;
    },
    profile() {
      // The texts counted last are told of only here.
      const frequent = counter.frequent();
      return { type, count, missing, nonFinite: 0, frequent, distinct: distinct.slice() };
    },
  };
}
