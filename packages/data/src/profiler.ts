import type { BoolColumn, BytesColumn, Column, ColumnType, DictionaryColumn } from "@millwright/contracts";
import { hasBit } from "./bitmap.ts";
import { isNull, isNumericType, nullCount } from "./column.ts";
import { addNumbersToDistinct, addTextToDistinct, emptyDistinct } from "./distinct.ts";
import { writeFloat64 } from "./float64.ts";
import { addFrequent, boundedText, emptyFrequent, type FrequentTexts } from "./frequent.ts";
import { emptyMoments, mergeMoments, momentsOf } from "./moments.ts";
import type { ColumnProfile, ProfileOptions } from "./profile.ts";
import { createQuantileSketcher } from "./quantile-sketch.ts";
import { createRankSketcher } from "./rank-sketch.ts";
import { createTextTable } from "./text-table.ts";
import { toArray } from "./value.ts";

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
  let frequent: FrequentTexts = emptyFrequent(maxTexts);
  let count = 0;
  let missing = 0;
  return {
    update(column) {
      const counts = column.type === "dictionary" ? countDictionary(column) : countTexts(column as BytesColumn);
      const nulls = nullCount(column);
      missing += nulls;
      count += column.length - nulls;
      for (const text of counts.keys()) addTextToDistinct(distinct, text);
      frequent = addFrequent(frequent, bounded(counts));
    },
    profile: () => ({ type, count, missing, nonFinite: 0, frequent, distinct: distinct.slice() }),
  };
}

/** The counts with long texts shortened, so that a profile stays small whatever a column holds. */
function bounded(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const short = new Map<string, number>();
  for (const [text, count] of counts) {
    const key = boundedText(text);
    short.set(key, (short.get(key) ?? 0) + count);
  }
  return short;
}

function countDictionary(column: DictionaryColumn): Map<string, number> {
  const totals = new Float64Array(column.dictionary.length);
  for (let row = 0; row < column.length; row += 1) {
    if (!isNull(column, row))
      totals[column.values[row] as number] = (totals[column.values[row] as number] as number) + 1;
  }
  const texts = toArray(column.dictionary) as string[];
  return new Map(texts.map((text, index) => [text, totals[index] as number] as const).filter(([, total]) => total > 0));
}

function countTexts(column: BytesColumn): Map<string, number> {
  const table = createTextTable();
  let totals = new Float64Array(64);
  for (let row = 0; row < column.length; row += 1) {
    if (isNull(column, row)) continue;
    const number = table.intern(column.values, column.offsets[row] as number, column.offsets[row + 1] as number);
    if (number >= totals.length) {
      const grown = new Float64Array(totals.length * 2);
      grown.set(totals);
      totals = grown;
    }
    totals[number] = (totals[number] as number) + 1;
  }
  return new Map(table.texts().map((text, number) => [text, totals[number] as number]));
}
