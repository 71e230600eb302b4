import { bucketsOf, type ColumnProfile, type FrequentTexts, type Profile, type QuantileSketch } from "@millwright/data";

/** Fewest rows that what is shown must have, where nothing else is said. */
export const defaultMinimumRows = 10;

export interface ProtectOptions {
  /** Fewest rows that a category or a bucket of numbers must have to stay told apart, from 1. Default: 10. */
  readonly minimumRows?: number | undefined;
}

/**
 * A profile that tells of nobody alone (k-anonymity, Sweeney 2002): categories of fewer rows stand in the total only, buckets of fewer numbers join their
 * neighbours, the smallest and the largest number give way to the ends of what is left, and the sample of numbers is dropped. It is a profile like
 * any other: it is compared, merged and written on. Throws a RangeError.
 */
export function protectProfile(profile: Profile, { minimumRows = defaultMinimumRows }: ProtectOptions = {}): Profile {
  if (!(Number.isInteger(minimumRows) && minimumRows >= 1))
    throw new RangeError(`minimumRows must be an integer from 1, not ${minimumRows}.`);
  const columns = Object.entries(profile.columns).map(
    ([name, column]) => [name, protectColumn(column, minimumRows)] as const,
  );
  return { rows: profile.rows, columns: Object.fromEntries(columns) };
}

function protectColumn({ ranks: _ranks, ...column }: ColumnProfile, least: number): ColumnProfile {
  const { frequent, quantiles, moments } = column;
  const sketch = quantiles === undefined ? undefined : protectSketch(quantiles, least);
  const buckets = sketch === undefined ? [] : bucketsOf(sketch);
  const [first, last] = [buckets[0], buckets.at(-1)];
  return {
    ...column,
    ...(frequent === undefined ? {} : { frequent: protectTexts(frequent, least) }),
    ...(sketch === undefined ? {} : { quantiles: sketch }),
    ...(moments === undefined
      ? {}
      : {
          moments: {
            ...moments,
            min: first?.low ?? 0,
            max: last?.high ?? 0,
            ...(first === undefined ? { mean: 0, m2: 0 } : {}),
          },
        }),
  };
}

/** A text that was dropped was met fewer than `least` times: as far as that, counts may fall short. */
function protectTexts(frequent: FrequentTexts, least: number): FrequentTexts {
  const counts = new Map([...frequent.counts].filter(([, count]) => count >= least));
  if (counts.size === frequent.counts.size) return frequent;
  return { ...frequent, counts, error: frequent.error + least - 1 };
}

/** Counts too small go up to the next bucket, and what is left at the end down to the last that stays. Without enough numbers nothing stays. */
function protectSketch(sketch: QuantileSketch, least: number): QuantileSketch {
  const kept: (readonly [key: number, count: number])[] = [];
  let carried = 0;
  for (const [index, key] of sketch.keys.entries()) {
    carried += sketch.counts[index] as number;
    if (carried < least) continue;
    kept.push([key, carried]);
    carried = 0;
  }
  const last = kept.pop();
  if (last !== undefined) kept.push([last[0], last[1] + carried]);
  return {
    ...sketch,
    keys: Int32Array.from(kept, ([key]) => key),
    counts: Float64Array.from(kept, ([, count]) => count),
    count: last === undefined ? 0 : sketch.count,
  };
}
