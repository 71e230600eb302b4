import { chiSquaredContingency, hellinger, jensenShannon } from "../statistics/count-tests.ts";
import { kolmogorovSmirnov, wasserstein } from "../statistics/sample-tests.ts";
import { doaneEdges, equalEdges, histogram } from "./binning.ts";

export type ContinuousMethod = "jensen_shannon" | "hellinger" | "kolmogorov_smirnov" | "wasserstein";
export type CategoricalMethod = "jensen_shannon" | "hellinger" | "chi2" | "l_infinity";

export interface Measured {
  readonly score: number;
  /** Of chi2 alone, whose verdict rests on it. */
  readonly pValue?: number | undefined;
}

/** From the values of a chunk, none of which is null and of which there is at least one. */
export type Measure<Value> = (chunk: Value) => Measured;
export type Labels = readonly (string | boolean)[];

/** From so many reference rows on, two methods work on a histogram of it. */
const estimatedFrom = 10_000;
const estimateBins = 10_000;

/** Shares of the chunk in the reference's bins; what lies outside is one more bin, in which the reference has nothing. */
function sharesWithRest(
  reference: Float64Array,
  chunk: Float64Array,
  referenceCount: number,
  chunkCount: number,
): readonly [number[], number[]] {
  const [p, q] = [
    Array.from(reference, (count) => count / referenceCount),
    Array.from(chunk, (count) => count / chunkCount),
  ];
  const rest = 1 - q.reduce((sum, share) => sum + share, 0);
  return rest > 1e-12
    ? [
        [...p, 0],
        [...q, rest],
      ]
    : [p, q];
}

const distances = { jensen_shannon: (p: number[], q: number[]) => jensenShannon(p, q), hellinger } as const;

/** NannyML's methods for numbers. `sorted`: the reference in order, without nulls. */
export function continuousMeasure(method: ContinuousMethod, sorted: Float64Array): Measure<Float64Array> {
  const estimated = sorted.length >= estimatedFrom;
  switch (method) {
    case "kolmogorov_smirnov":
      return estimated
        ? estimatedDistance(sorted)
        : (chunk) => ({ score: kolmogorovSmirnov(sorted, chunk, { method: "asymptotic" }).statistic });
    case "wasserstein":
      return estimated ? estimatedWasserstein(sorted) : (chunk) => ({ score: wasserstein(sorted, chunk) });
    default: {
      const edges = doaneEdges(sorted);
      const reference = histogram(sorted, edges);
      return (chunk) => ({
        score: distances[method](
          ...(sharesWithRest(reference, histogram(chunk, edges), sorted.length, chunk.length) as [number[], number[]]),
        ),
      });
    }
  }
}

const cumulated = (counts: Float64Array, total: number, start = 0): Float64Array => {
  let sum = start;
  return counts.map((count) => (sum += count / total));
};

const equalBins = (sorted: Float64Array): Float64Array =>
  equalEdges(sorted[0] as number, sorted.at(-1) as number, estimateBins);

function estimatedDistance(sorted: Float64Array): Measure<Float64Array> {
  const edges = equalBins(sorted);
  const reference = cumulated(histogram(sorted, edges), sorted.length);
  return (chunk) => {
    const below = chunk.filter((value) => value < (edges[0] as number)).length / chunk.length;
    const now = cumulated(histogram(chunk, edges), chunk.length, below);
    return {
      score: reference.reduce(
        (largest, share, index) => Math.max(largest, Math.abs(share - (now[index] as number))),
        0,
      ),
    };
  };
}

/** Its terms for what lies outside the reference count one value too many, as NannyML's do. */
function estimatedWasserstein(sorted: Float64Array): Measure<Float64Array> {
  const edges = equalBins(sorted);
  const width = (edges[1] as number) - (edges[0] as number);
  const [first, last] = [edges[0] as number, edges[estimateBins] as number];
  const reference = cumulated(histogram(sorted, edges), sorted.length);
  return (chunk) => {
    const smaller = chunk.filter((value) => value < first);
    const bigger = chunk.filter((value) => value > last);
    const weightOf = (outside: Float64Array): number =>
      outside.length === 0 ? 0 : (outside.length + 1) / chunk.length;
    const now = cumulated(histogram(chunk, edges), chunk.length, weightOf(smaller));
    const within = reference.reduce((sum, share, index) => sum + Math.abs(share - (now[index] as number)) * width, 0);
    const left = outsideArea(Float64Array.of(first), smaller, (share) => share);
    const right = outsideArea(Float64Array.of(last), bigger, (share) => 1 - share);
    return { score: within + left * weightOf(smaller) + right * weightOf(bigger) };
  };
}

/** ∫ of a function of the distribution of the values outside and the edge itself. */
function outsideArea(edge: Float64Array, outside: Float64Array, part: (share: number) => number): number {
  if (outside.length === 0) return 0;
  const all = new Float64Array(outside.length + 1);
  all.set(edge);
  all.set(outside, 1);
  all.sort();
  let area = 0;
  for (let index = 0; index + 1 < all.length; index += 1)
    area += part((index + 1) / all.length) * ((all[index + 1] as number) - (all[index] as number));
  return area;
}

/** NannyML's methods for texts and booleans. */
export function categoricalMeasure(method: CategoricalMethod, reference: Labels): Measure<Labels> {
  const counts = countsOf(reference);
  const keys = [...counts.keys()];
  const before = Float64Array.from(counts.values());
  return (chunk) => {
    const now = countsOf(chunk);
    if (method === "chi2" || method === "l_infinity") {
      const all = [...new Set([...keys, ...now.keys()])];
      const [a, b] = [all.map((key) => counts.get(key) ?? 0), all.map((key) => now.get(key) ?? 0)];
      if (method === "l_infinity")
        return {
          score: a.reduce(
            (largest, count, index) =>
              Math.max(largest, Math.abs(count / reference.length - (b[index] as number) / chunk.length)),
            0,
          ),
        };
      const { statistic, pValue } = chiSquaredContingency(a, b, { correction: true });
      return { score: statistic, pValue };
    }
    const inBins = Float64Array.from(keys, (key) => now.get(key) ?? 0);
    const [p, q] = sharesWithRest(before, inBins, reference.length, chunk.length);
    return { score: distances[method](p, q) };
  };
}

function countsOf(labels: Labels): Map<string | boolean, number> {
  const counts = new Map<string | boolean, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}
