import type { BoolColumn, BytesColumn, Column, ColumnType } from "@millwright/contracts";
import { hasBit } from "./bitmap.ts";
import { isNull, isNumericType, nullCount } from "./column.ts";
import { addNumbersToDistinct, emptyDistinct } from "./distinct.ts";
import { writeFloat64 } from "./float64.ts";
import { addFrequent, emptyFrequent } from "./frequent.ts";
import { emptyMoments, mergeMoments, momentsOf } from "./moments.ts";
import type { ColumnProfile, ProfileOptions } from "./profile.ts";
import { createQuantileSketcher } from "./quantile-sketch.ts";
import { createRankSketcher } from "./rank-sketch.ts";
import { createTextCounter } from "./text-counter.ts";

/** Collects the profile of one column. */
export interface ColumnProfiler {
  update(column: Column): void;
  profile(): ColumnProfile;
}

export function createColumnProfiler(type: ColumnType, options: ProfileOptions): ColumnProfiler {
  if (type === "bool" || isNumericType(type)) return createNumberProfiler(type, options);
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

/** Small enough for the processor's first caches, so that three passes cost one trip to memory. */
const blockRows = 2048;
/** Shared: nothing waits between filling it and reading it, and many small profiles are kept at one time. */
const block = new Float64Array(blockRows);

function createNumberProfiler(type: ColumnType, { maxBuckets, maxTexts, rankError }: ProfileOptions): ColumnProfiler {
  const sketcher = createQuantileSketcher(maxBuckets);
  const ranks = rankError === undefined ? undefined : createRankSketcher({ epsilon: rankError });
  const distinct = emptyDistinct();
  let frequent = type === "bool" ? emptyFrequent(maxTexts) : undefined;
  let moments = emptyMoments;
  let count = 0;
  let missing = 0;
  return {
    update(column) {
      const nulls = nullCount(column);
      missing += nulls;
      count += column.length - nulls;
      if (frequent !== undefined && column.type === "bool") frequent = addFrequent(frequent, countBools(column));
      for (let start = 0; start < column.length; start += blockRows) {
        const rows = Math.min(blockRows, column.length - start);
        writeFloat64(column, block, start);
        moments = mergeMoments(moments, momentsOf(block, rows));
        sketcher.addAll(block, rows);
        ranks?.addAll(block, rows);
        addNumbersToDistinct(distinct, block, rows);
      }
    },
    profile: () => ({
      type,
      count,
      missing,
      nonFinite: count - moments.count,
      moments,
      quantiles: sketcher.sketch(),
      ...(ranks === undefined ? {} : { ranks: ranks.sketch() }),
      ...(frequent === undefined ? {} : { frequent }),
      distinct: distinct.slice(),
    }),
  };
}

function countBools(column: BoolColumn): Map<string, number> {
  const counts = new Map<string, number>();
  for (let row = 0; row < column.length; row += 1) {
    if (isNull(column, row)) continue;
    const text = String(hasBit(column.values, row));
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
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
