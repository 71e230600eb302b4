import { distinctOf, quantileOf } from "@millwright/data";
import type { Aggregate } from "../definition/aggregate.ts";
import type { EventWindow } from "../online/event-window.ts";
import { compareTimed, cutEnds, endsPartial, type TimedValue } from "./ends-partial.ts";
import { extremesPartial, momentsPartial, type Extremes, type Moments } from "./moments-partial.ts";
import type { PartialKind } from "./partial.ts";
import type { InputNeeds } from "./value-column.ts";
import { createValueFrame } from "./value-frame.ts";
import {
  distinctSketchPartial,
  quantileOfCounts,
  quantileSketchPartial,
  sketchOf,
  valuesPartial,
  type QuantileState,
  type ValueCounts,
} from "./values-partial.ts";
import { varianceOfSums } from "./whole.ts";

/** What an aggregate is at a time: NaN or undefined for null. */
export type AggregateValue = number | string | undefined | readonly (number | string)[];

/** How an aggregate is computed: of the rows of a window, or of partials of its rows. */
export interface Statistic {
  /** Names the partial: equal names in one view are equal states. */
  readonly partialName: string;
  readonly partial: PartialKind<unknown>;
  readonly needs: InputNeeds;
  /** The aggregate of the rows [from, to). */
  value(rows: EventWindow, from: number, to: number): AggregateValue;
  /** The partial of the rows [from, to). */
  partialOf(rows: EventWindow, from: number, to: number): unknown;
  summary(state: unknown): AggregateValue;
}

/** An aggregate's input as an event window has it. */
export interface StatisticInput {
  /** Its place among the inputs; −1 for counts of rows. */
  readonly index: number;
  /** What its values were multiplied by to be whole. */
  readonly scale: number;
}

const NOTHING: InputNeeds = { sums: false, squares: false, values: false };
const VALUES: InputNeeds = { ...NOTHING, values: true };

export function createStatistic(aggregate: Aggregate, input: StatisticInput): Statistic {
  const { kind } = aggregate;
  switch (kind) {
    case "count":
      return rowCount;
    case "sum":
    case "mean":
    case "variance":
    case "standardDeviation":
      return momentsStatistic(kind, input);
    case "min":
    case "max":
      return extremesStatistic(kind, input);
    case "distinct":
      return aggregate.approximate === true ? distinctSketchStatistic(input) : distinctStatistic(input);
    case "quantile":
      return aggregate.approximate === true
        ? quantileSketchStatistic(aggregate.share!, input)
        : quantileStatistic(aggregate.share!, input);
    case "first":
    case "last":
      return endsStatistic(kind, aggregate.amount!, input, (values) =>
        values.map(({ value }) => (typeof value === "number" ? value / input.scale : value)),
      );
    case "firstValue":
    case "lastValue":
      return endsStatistic(kind === "firstValue" ? "first" : "last", 1, input, ([found]) =>
        typeof found?.value === "number" ? found.value / input.scale : found?.value,
      );
  }
}

interface Parts<State> {
  readonly name: string;
  readonly partial: PartialKind<State>;
  readonly needs: InputNeeds;
  partialOf(rows: EventWindow, from: number, to: number): State;
  summary(state: State): AggregateValue;
  /** Default: the summary of the rows' partial. */
  value?(rows: EventWindow, from: number, to: number): AggregateValue;
}

function statistic<State>({ name, partial, needs, partialOf, summary, value }: Parts<State>): Statistic {
  return {
    partialName: name,
    partial: partial as PartialKind<unknown>,
    needs,
    partialOf,
    summary: (state) => summary(state as State),
    value: value ?? ((rows, from, to) => summary(partialOf(rows, from, to))),
  };
}

const rowCount = statistic<number>({
  name: "rows",
  partial: {
    empty: () => 0,
    update: (rows) => rows + 1,
    merge: (states) => states.reduce((all, rows) => all + rows, 0),
    encode: (rows) => rows,
    decode: (text) => text as number,
  },
  needs: NOTHING,
  partialOf: (_, from, to) => to - from,
  summary: (rows) => rows,
});

type MomentsKind = "sum" | "mean" | "variance" | "standardDeviation";

function momentsStatistic(kind: MomentsKind, { index, scale }: StatisticInput): Statistic {
  const squares = kind === "variance" || kind === "standardDeviation";
  return statistic<Moments>({
    name: squares ? "squares" : "sums",
    partial: momentsPartial({ squares }),
    needs: { sums: true, squares, values: false },
    partialOf: (rows, from, to) => ({
      count: rows.count(index, from, to),
      sum: rows.sum(index, from, to),
      squares: squares ? rows.squares(index, from, to) : 0,
    }),
    summary({ count, sum, squares: ofSquares }) {
      if (kind === "sum") return Number(sum) / scale;
      if (kind === "mean") return Number(sum) / (count * scale);
      const variance = varianceOfSums(count, sum, ofSquares, scale);
      return kind === "variance" ? variance : Math.sqrt(variance);
    },
  });
}

function extremesStatistic(kind: "min" | "max", { index, scale }: StatisticInput): Statistic {
  return statistic<Extremes>({
    name: "extremes",
    partial: extremesPartial,
    needs: VALUES,
    partialOf: (rows, from, to) => ({ least: rows.smallest(index, from, to), most: rows.largest(index, from, to) }),
    summary({ least, most }) {
      if (least > most) return Number.NaN;
      return (kind === "min" ? least : most) / scale;
    },
  });
}

/** The partial of rows one by one. */
function addedUp<State>(partial: PartialKind<State>, index: number): Parts<State>["partialOf"] {
  return (rows, from, to) => {
    let state = partial.empty();
    for (let at = from; at < to; at++) {
      const value = rows.valueAt(index, at);
      if (!Number.isNaN(value)) state = partial.update(state, value, rows.timeAt(at));
    }
    return state;
  };
}

function distinctStatistic({ index }: StatisticInput): Statistic {
  const frame = createValueFrame(index, "counted");
  return statistic<ValueCounts>({
    name: "values",
    partial: valuesPartial,
    needs: VALUES,
    partialOf: addedUp(valuesPartial, index),
    summary: (counts) => counts.size,
    value(rows, from, to) {
      frame.moveTo(rows, from, to);
      return frame.distinct();
    },
  });
}

function quantileStatistic(share: number, { index, scale }: StatisticInput): Statistic {
  const frame = createValueFrame(index, "sorted");
  return statistic<ValueCounts>({
    name: "values",
    partial: valuesPartial,
    needs: VALUES,
    partialOf: addedUp(valuesPartial, index),
    summary: (counts) => quantileOfCounts(counts, share) / scale,
    value(rows, from, to) {
      frame.moveTo(rows, from, to);
      return frame.quantile(share) / scale;
    },
  });
}

function distinctSketchStatistic({ index }: StatisticInput): Statistic {
  return statistic({
    name: "distinctSketch",
    partial: distinctSketchPartial,
    needs: VALUES,
    partialOf: addedUp(distinctSketchPartial, index),
    summary: (sketch) => Math.round(distinctOf(sketch)),
  });
}

function quantileSketchStatistic(share: number, { index, scale }: StatisticInput): Statistic {
  return statistic<QuantileState>({
    name: "quantileSketch",
    partial: quantileSketchPartial,
    needs: VALUES,
    partialOf: addedUp(quantileSketchPartial, index),
    summary: (state) => quantileOf(sketchOf(state), share) / scale,
  });
}

function endsStatistic(
  end: "first" | "last",
  amount: number,
  { index }: StatisticInput,
  summary: (values: readonly TimedValue[]) => AggregateValue,
): Statistic {
  return statistic<readonly TimedValue[]>({
    name: `${end} ${amount}`,
    partial: endsPartial(end, amount),
    needs: VALUES,
    partialOf: (rows, from, to) => endsOfRows(rows, index, from, to, end, amount),
    summary,
  });
}

/** Looks from one end until there are enough values, and on through the rows of the last one's time. */
function endsOfRows(
  rows: EventWindow,
  input: number,
  from: number,
  to: number,
  end: "first" | "last",
  amount: number,
): readonly TimedValue[] {
  const found: TimedValue[] = [];
  const step = end === "first" ? 1 : -1;
  for (let at = end === "first" ? from : to - 1; at >= from && at < to; at += step) {
    const timeUs = rows.timeAt(at);
    if (found.length >= amount && found.at(-1)!.timeUs !== timeUs) break;
    const value = rows.valueAt(input, at);
    if (!Number.isNaN(value)) found.push({ timeUs, value });
  }
  return cutEnds(found.sort(compareTimed), end, amount);
}
