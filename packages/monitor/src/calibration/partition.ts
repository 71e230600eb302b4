import {
  bucketsOf,
  type ColumnProfile,
  type FrequentTexts,
  mergeProfiles,
  type Profile,
  type QuantileSketch,
} from "@millwright/data";

/** One way in which a distribution may change: the mean of its scores over a window has the mean 0 over the reference, and one value's the variance 1. */
export interface Contrast {
  readonly name: string;
  /** A score for each bin. */
  readonly scores: Float64Array;
}

/** Bins cut once, from the reference alone; windows are counted in them from their sketches. */
export interface Partition {
  readonly kind: "categories" | "numbers";
  /** Share of the reference in each bin; for categories, all that have no bin of their own are in the last. */
  readonly shares: Float64Array;
  readonly contrasts: readonly Contrast[];
  /** Values of a window in each bin: exact while its sketch is not coarser than the reference's. `undefined` where the profile holds no such distribution. */
  countsOf(column: ColumnProfile): Float64Array | undefined;
  /** The bin of one value, for rows in their order. */
  binOf(value: number | string | boolean): number;
}

const mostBins = 128;
const mostCategories = 15;
/** A category that holds less of the reference than this is told apart from no other. */
const smallestCategory = 0.005;
const shapes = ["location", "scale", "skewness", "tails"] as const;

/** @param parts Profiles of one type. @returns undefined where no part has values, or the type has no distribution. */
export function partitionOf(parts: readonly ColumnProfile[]): Partition | undefined {
  const [first, ...rest] = parts.map(({ type, count, missing, nonFinite, quantiles, frequent }): Profile => {
    const distribution = frequent === undefined ? { quantiles } : { frequent };
    return { rows: 0, columns: { column: { type, count, missing, nonFinite, ...distribution } } };
  });
  if (first === undefined) return undefined;
  const { frequent, quantiles } = mergeProfiles(first, ...rest).columns["column"] as ColumnProfile;
  if (frequent !== undefined) return partitionCategories(frequent);
  return quantiles === undefined ? undefined : partitionNumbers(quantiles);
}

function partitionNumbers(pooled: QuantileSketch): Partition | undefined {
  if (pooled.count === 0) return undefined;
  const { shift } = pooled;
  const buckets = bucketsOf(pooled);
  const cuts: { readonly key: number; readonly edge: number; readonly share: number }[] = [];
  let below = 0;
  let inBin = 0;
  for (const [index, count] of pooled.counts.entries()) {
    below += count;
    inBin += count;
    const last = index === pooled.counts.length - 1;
    if (!last && below < (cuts.length + 1) * (pooled.count / mostBins)) continue;
    cuts.push({
      key: pooled.keys[index] as number,
      edge: buckets[index]?.high as number,
      share: inBin / pooled.count,
    });
    // A bucket that spans several shares fills the bins it reaches at once.
    inBin = 0;
    below = Math.max(below, cuts.length * (pooled.count / mostBins));
  }
  const keys = Int32Array.from(cuts, ({ key }) => key);
  const edges = Float64Array.from(cuts, ({ edge }) => edge);
  const shares = Float64Array.from(cuts, ({ share }) => share);
  return {
    kind: "numbers",
    shares,
    contrasts: polynomials(shares).map((scores, order) => ({ name: shapes[order] as string, scores })),
    countsOf: ({ quantiles }) => (quantiles === undefined ? undefined : countInBins(quantiles, shift, keys)),
    binOf: (value) => firstAtLeast(edges, Number(value)),
  };
}

function countInBins(sketch: QuantileSketch, shift: number, lastKeys: Int32Array): Float64Array {
  const counts = new Float64Array(lastKeys.length);
  const finer = shift - sketch.shift;
  let bin = 0;
  for (let index = 0; index < sketch.keys.length; index += 1) {
    const own = sketch.keys[index] as number;
    // A coarser bucket of a window that reaches farther than the reference counts where its middle is.
    const key = finer >= 0 ? own >> finer : own * 2 ** -finer + 2 ** (-finer - 1);
    while (bin < lastKeys.length - 1 && key > (lastKeys[bin] as number)) bin += 1;
    counts[bin] = (counts[bin] as number) + (sketch.counts[index] as number);
  }
  return counts;
}

function firstAtLeast(edges: Float64Array, value: number): number {
  let low = 0;
  let high = edges.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as number) >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Polynomials of the rank in the reference, of degree 1 to 4, orthonormal over its bins by Gram and Schmidt: the components of Neyman's smooth test
 * (1937). With few distinct values there are fewer.
 */
function polynomials(shares: Float64Array): Float64Array[] {
  let below = 0;
  const ranks = shares.map((share) => (below += share) - share / 2 - 0.5);
  const product = (a: Float64Array, b: Float64Array): number =>
    shares.reduce((sum, share, bin) => sum + share * (a[bin] as number) * (b[bin] as number), 0);
  const found: Float64Array[] = [];
  const basis: Float64Array[] = [new Float64Array(shares.length).fill(1)];
  for (let degree = 1; degree <= Math.min(shapes.length, shares.length - 1); degree += 1) {
    const scores = ranks.map((rank) => (2 * rank) ** degree);
    const length = Math.sqrt(product(scores, scores));
    // Twice is enough: Kahan and Parlett, as in Giraud, Langou and Rozloznik (2005).
    for (let round = 0; round < 2; round += 1) {
      for (const earlier of basis) {
        const along = product(scores, earlier);
        for (const [bin, score] of earlier.entries()) scores[bin] = (scores[bin] as number) - along * score;
      }
    }
    const left = Math.sqrt(product(scores, scores));
    if (!(left > 1e-6 * length)) break;
    found.push(scores.map((score) => score / left));
    basis.push(found.at(-1) as Float64Array);
  }
  return found;
}

function partitionCategories(pooled: FrequentTexts): Partition | undefined {
  if (pooled.total === 0) return undefined;
  const kept = [...pooled.counts]
    .filter(([, count]) => count >= smallestCategory * pooled.total)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, mostCategories)
    .map(([text]) => text);
  const bins = new Map(kept.map((text, bin) => [text, bin]));
  const countsOf = ({ counts, total }: FrequentTexts): Float64Array => {
    const found = new Float64Array(kept.length + 1);
    for (const [text, bin] of bins) found[bin] = counts.get(text) ?? 0;
    found[kept.length] = Math.max(0, total - found.reduce((sum, count) => sum + count, 0));
    return found;
  };
  const shares = countsOf(pooled).map((count) => count / pooled.total);
  const names = [...kept.map((text) => `the share of "${text}"`), "the share of all other texts"];
  // Of two shares that add up to 1 one tells all.
  const told = shares.filter((share) => share > 0).length === 2 ? names.slice(1) : names;
  return {
    kind: "categories",
    shares,
    contrasts: told.map((name) => {
      const own = names.indexOf(name);
      const share = Math.min(Math.max(shares[own] as number, 0.5 / pooled.total), 1 - 0.5 / pooled.total);
      const scale = Math.sqrt(share * (1 - share));
      return { name, scores: shares.map((_, bin) => ((bin === own ? 1 : 0) - (shares[own] as number)) / scale) };
    }),
    countsOf: ({ frequent }) => (frequent === undefined ? undefined : countsOf(frequent)),
    binOf: (value) => bins.get(String(value)) ?? kept.length,
  };
}
