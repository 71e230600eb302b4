import { z95 } from "../statistics/distributions.ts";
import {
  type ClassesMetric,
  type ClassesQuality,
  type ClassName,
  confusionQuality,
  type Margins,
  marginQuality,
} from "./classes.ts";
import { type MetricValue, none, proportion } from "./metric-value.ts";

/** What is summed of labelled answers of one class of many: it merges by adding. */
export interface ClassSums {
  /** In the order of their numbers; of merged sums, classes that only the later knows come last. */
  readonly names: ClassName[];
  /** Rows by truth and answer: `truth * mostClasses + answer`; rows of classes beyond the most are left out. */
  readonly confusion: Map<number, number>;
  /** Rows whose truth is among the most probable classes, those left out too. */
  topHits: number;
}

/** Most classes of an endpoint. */
export const mostClasses = 100;

export const emptyClasses = (names: readonly ClassName[]): ClassSums => ({
  names: [...names],
  confusion: new Map(),
  topHits: 0,
});

/** One labelled answer: numbers of classes. */
export interface ClassOutcome {
  readonly names: readonly ClassName[];
  readonly truth: number;
  readonly answer: number;
  readonly inTop: boolean;
}

/** Sums that came with a state may know the classes in another order. */
export function addClassOutcome(sums: ClassSums, { names, ...outcome }: ClassOutcome, sign: 1 | -1): void {
  if (outcome.inTop) sums.topHits += sign;
  const [truth, answer] = [placeOf(sums, names, outcome.truth), placeOf(sums, names, outcome.answer)];
  if (truth < 0 || answer < 0) return;
  const cell = truth * mostClasses + answer;
  const count = sums.confusion.get(cell) ?? 0;
  // What was left out of sums that were merged since cannot be taken back.
  if (sign > 0 || count > 0) sums.confusion.set(cell, count + sign);
}

/** The number that a class has in the sums, where it gets one if it can; −1 where it cannot. */
function placeOf({ names: own }: ClassSums, names: readonly ClassName[], index: number): number {
  const name = names[index] as ClassName;
  if (own[index] === name) return index;
  const known = own.indexOf(name);
  if (known >= 0) return known;
  return own.length < mostClasses ? own.push(name) - 1 : -1;
}

/** Adds sums to others in place, by the names of the classes; of more than the most, those that came last are left out of the confusion. */
export function addClasses(into: ClassSums, part: ClassSums): void {
  const places = part.names.map((_, index) => placeOf(into, part.names, index));
  for (const [cell, count] of part.confusion) {
    const truth = places[Math.floor(cell / mostClasses)] ?? -1;
    const answer = places[cell % mostClasses] ?? -1;
    if (truth < 0 || answer < 0) continue;
    const own = truth * mostClasses + answer;
    into.confusion.set(own, (into.confusion.get(own) ?? 0) + count);
  }
  into.topHits += part.topHits;
}

/**
 * What the sums say, as `scoreClasses` says it of the rows; areas under curves are NaN. Intervals: Wilson's for shares of all rows, the delta method's on the multinomial counts of the
 * confusion matrix for the others (Bishop, Fienberg and Holland 1975, §14.6).
 * @param all Labelled rows, and of these the right ones: of all classes, those too that the confusion leaves out.
 * @param logLoss The mean with its interval.
 */
export function readClasses(
  { names, confusion, topHits }: ClassSums,
  all: { readonly labels: number; readonly hits: number },
  logLoss: MetricValue,
): ClassesQuality {
  const table = names.map((_, truth) => names.map((__, answer) => confusion.get(truth * mostClasses + answer) ?? 0));
  const rows = table.flat().reduce((sum, count) => sum + count, 0);
  const { classes, metrics } = confusionQuality(names, table);
  const accuracy = proportion(all.hits, all.labels, all.labels);
  const shares = { accuracy, precisionMicro: accuracy, recallMicro: accuracy, f1Micro: accuracy };
  const errors = deltaErrors(names, table, rows);
  const others = (Object.entries(metrics) as [keyof typeof metrics, number][]).map(([name, value]) => {
    const half = z95 * (errors[name] ?? Number.NaN);
    const found: MetricValue = Number.isFinite(half)
      ? { value, low: value - half, high: value + half, interval: "delta" }
      : none(value);
    return [name, found] as const;
  });
  return {
    kind: "classes",
    rows,
    invalid: all.labels - rows,
    classes,
    confusion: table,
    metrics: {
      ...(Object.fromEntries(others) as Record<keyof typeof metrics, MetricValue>),
      ...shares,
      topAccuracy: proportion(topHits, all.labels, all.labels),
      logLoss,
      aucMacro: none(Number.NaN),
      aucWeighted: none(Number.NaN),
    },
  };
}

/** Standard errors of functions of counts: √(Σ p·g² / n), where g is the derivative by the share of each cell, which sums to 0 over the cells. */
function deltaErrors(
  names: readonly ClassName[],
  table: readonly (readonly number[])[],
  rows: number,
): Partial<Record<ClassesMetric, number>> {
  const step = 1e-3;
  const margins = {
    hits: names.map((_, index) => table[index]?.[index] as number),
    support: table.map((line) => line.reduce((sum, count) => sum + count, 0)),
    answered: names.map((_, index) => table.reduce((sum, line) => sum + (line[index] as number), 0)),
  };
  const squares: Record<string, number> = {};
  for (const [truth, line] of table.entries())
    for (const [answer, count] of line.entries()) {
      if (count === 0) continue;
      const moved = (by: number): Readonly<Record<string, number>> => {
        move(margins, truth, answer, by);
        const { metrics } = marginQuality(names, margins);
        move(margins, truth, answer, -by);
        return metrics;
      };
      const [up, down] = [moved(step), moved(-step)];
      for (const [name, value] of Object.entries(up)) {
        const slope = ((value - (down[name] as number)) / (2 * step)) * rows;
        squares[name] = (squares[name] ?? 0) + (count / rows) * slope * slope;
      }
    }
  return Object.fromEntries(Object.entries(squares).map(([name, sum]) => [name, Math.sqrt(sum / rows)]));
}

function move(
  { hits, support, answered }: Readonly<Record<keyof Margins, number[]>>,
  truth: number,
  answer: number,
  by: number,
): void {
  support[truth] = (support[truth] as number) + by;
  answered[answer] = (answered[answer] as number) + by;
  if (truth === answer) hits[truth] = (hits[truth] as number) + by;
}
