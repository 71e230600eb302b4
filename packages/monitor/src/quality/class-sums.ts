import { z95 } from "../statistics/distributions.ts";
import { type ClassesMetric, type ClassesQuality, type ClassName, confusionQuality } from "./classes.ts";
import { type MetricValue, none, proportion } from "./metric-value.ts";

/** What is summed of labelled answers of one class of many: it merges by adding. */
export interface ClassSums {
  /** In the order of their numbers; of merged sums, classes that only the later knows come last. */
  readonly names: ClassName[];
  /** Rows by truth and answer: `truth * mostClasses + answer`. */
  readonly confusion: Map<number, number>;
  /** Rows whose truth is among the most probable classes. */
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
  const { inTop } = outcome;
  const [truth, answer] = [placeOf(sums, names, outcome.truth), placeOf(sums, names, outcome.answer)];
  if (truth < 0 || answer < 0) return;
  const cell = truth * mostClasses + answer;
  sums.confusion.set(cell, (sums.confusion.get(cell) ?? 0) + sign);
  if (inTop) sums.topHits += sign;
}

/** The number that a class has in the sums, where it gets one if it can; −1 where it cannot. */
function placeOf({ names: own }: ClassSums, names: readonly ClassName[], index: number): number {
  const name = names[index] as ClassName;
  if (own[index] === name) return index;
  const known = own.indexOf(name);
  if (known >= 0) return known;
  return own.length < mostClasses ? own.push(name) - 1 : -1;
}

/** Adds sums to others in place, by the names of the classes; of more than the most, those that came last are left out. */
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
 * @param logLoss The mean with its interval.
 */
export function readClasses({ names, confusion, topHits }: ClassSums, logLoss: MetricValue): ClassesQuality {
  const table = names.map((_, truth) => names.map((__, answer) => confusion.get(truth * mostClasses + answer) ?? 0));
  const rows = table.flat().reduce((sum, count) => sum + count, 0);
  const { classes, metrics } = confusionQuality(names, table);
  const hits = table.reduce((sum, line, index) => sum + (line[index] as number), 0);
  const accuracy = proportion(hits, rows, rows);
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
    invalid: 0,
    classes,
    confusion: table,
    metrics: {
      ...(Object.fromEntries(others) as Record<keyof typeof metrics, MetricValue>),
      ...shares,
      topAccuracy: proportion(topHits, rows, rows),
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
  const counts = table.map((line) => [...line]);
  const squares: Record<string, number> = {};
  for (const [truth, line] of table.entries())
    for (const [answer, count] of line.entries()) {
      if (count === 0) continue;
      const moved = (by: number): Readonly<Record<string, number>> => {
        (counts[truth] as number[])[answer] = count + by;
        return confusionQuality(names, counts).metrics;
      };
      const [up, down] = [moved(step), moved(-step)];
      (counts[truth] as number[])[answer] = count;
      for (const [name, value] of Object.entries(up)) {
        const slope = ((value - (down[name] as number)) / (2 * step)) * rows;
        squares[name] = (squares[name] ?? 0) + (count / rows) * slope * slope;
      }
    }
  return Object.fromEntries(Object.entries(squares).map(([name, sum]) => [name, Math.sqrt(sum / rows)]));
}
