import { sloInvalid, sloUntranslatable } from "../errors.ts";
import { thresholdOf } from "./profiles.ts";
import type { Objective } from "./slo.ts";

/** Thousands of objectives with the same table, evaluated at once. */
export interface ObjectiveTable {
  readonly size: number;
  /** Adds events of the objective at an index. What is older than the longest window is dropped. */
  add(index: number, timeMs: number, good: number, total: number): void;
  /**
   * For each objective, the rows of its profile that fire, as bits: bit `r` for row `r`. The same as `readObjective` says. The array is the table's own until
   * the next evaluation.
   */
  evaluate(nowMs: number): Uint32Array;
}

export interface ObjectiveTableOptions {
  /** Length of a bucket. Default: 60,000. */
  readonly bucketMs?: number | undefined;
}

/**
 * Running sums of all objectives side by side, a row for each bucket: an evaluation reads a few rows from end to end, so that memory comes in order, in place of
 * a few far places for each objective. For objectives that share their windows and burn rates and take time without events for nothing; others are for `readObjective`. Budgets are not kept:
 * memory is 16 bytes for each objective and bucket of the longest window. Throws `MONITOR_SLO_UNTRANSLATABLE`, and `MONITOR_SLO_INVALID` where profiles differ.
 */
export function createObjectiveTable(
  objectives: readonly Objective[],
  { bucketMs = 60_000 }: ObjectiveTableOptions = {},
): ObjectiveTable {
  if (!(bucketMs >= 1)) throw new RangeError(`A bucket lasts at least 1 ms, not ${String(bucketMs)}.`);
  const profile = sharedProfile(objectives);
  const size = objectives.length;
  const bucketsOf = (windowMs: number): number => Math.max(1, Math.round(windowMs / bucketMs));
  const capacity = Math.max(...profile.map(({ longMs }) => bucketsOf(longMs)));
  if (capacity * size > 2 ** 29)
    throw new RangeError(`${size} objectives of ${capacity} buckets do not fit in memory.`);
  const sums = createRows(size, capacity);
  const thresholds = profile.map((row) =>
    Float64Array.from(objectives, ({ objective }) => thresholdOf(objective, row)),
  );
  const fewest = Float64Array.from(objectives, ({ minimumEvents }) => minimumEvents);
  const firing = new Uint32Array(size);
  return {
    size,
    add(index, timeMs, good, total) {
      if (!(Number.isInteger(index) && index >= 0 && index < size))
        throw new RangeError(`There is no objective ${String(index)} of ${size}.`);
      if (!(Math.abs(timeMs) <= 8.64e15 && Number.isFinite(good) && Number.isFinite(total)))
        throw new RangeError(
          `Events are counted by finite numbers, not ${String(good)} of ${String(total)} at ${String(timeMs)}.`,
        );
      sums.add(Math.floor(timeMs / bucketMs), index, total - good, total);
    },
    evaluate(nowMs) {
      const now = Math.floor(nowMs / bucketMs);
      firing.fill(0);
      const end = sums.at(now);
      if (end === undefined) return firing;
      for (const [at, { longMs, shortMs }] of profile.entries()) {
        const long = sums.at(now - bucketsOf(longMs));
        const short = sums.at(now - bucketsOf(shortMs));
        fire(firing, 1 << at, { end, long, short }, thresholds[at] as Float64Array, fewest);
      }
      return firing;
    },
  };
}

function sharedProfile(objectives: readonly Objective[]): Objective["profile"] {
  const [first] = objectives;
  if (first === undefined) throw sloInvalid("table", "there is none");
  const key = JSON.stringify(first.profile);
  for (const { name, profile, slices, missingData = "ignore", lowTraffic } of objectives) {
    if (JSON.stringify(profile) !== key) throw sloInvalid(name, `its profile is not that of "${first.name}"`);
    if (
      slices !== undefined ||
      missingData !== "ignore" ||
      lowTraffic !== undefined ||
      profile.some(({ forMs = 0 }) => forMs > 0)
    )
      throw sloUntranslatable(name, "a table of objectives", "asks for more than windows and burn rates");
  }
  if (first.profile.length > 31) throw sloInvalid(first.name, "its profile has more than 31 rows");
  return first.profile;
}

interface Edges {
  readonly end: Float64Array;
  readonly long: Float64Array | undefined;
  readonly short: Float64Array | undefined;
}

/** Sets the bit of each objective whose ratios are over its threshold in both windows. */
function fire(
  firing: Uint32Array,
  bit: number,
  { end, long, short }: Edges,
  thresholds: Float64Array,
  fewest: Float64Array,
): void {
  const zero = new Float64Array(long === undefined || short === undefined ? end.length : 0);
  const [from, since] = [long ?? zero, short ?? zero];
  for (let index = 0; index < firing.length; index += 1) {
    const [bad, total] = [end[2 * index] as number, end[2 * index + 1] as number];
    const longTotal = total - (from[2 * index + 1] as number);
    const shortTotal = total - (since[2 * index + 1] as number);
    const threshold = thresholds[index] as number;
    // Without events a ratio is not a number, and over nothing.
    if (!((bad - (since[2 * index] as number)) / shortTotal >= threshold)) continue;
    if (!((bad - (from[2 * index] as number)) / longTotal >= threshold)) continue;
    if (longTotal >= (fewest[index] as number)) firing[index] = (firing[index] as number) | bit;
  }
}

interface Rows {
  add(bucket: number, index: number, bad: number, total: number): void;
  /** Sums up to the bucket; undefined where nothing was counted up to it. */
  at(bucket: number): Float64Array | undefined;
}

/** A ring of rows, of the last buckets and the one before them. */
function createRows(size: number, capacity: number): Rows {
  const slots = capacity + 1;
  const rows: (Float64Array | undefined)[] = new Array<Float64Array | undefined>(slots).fill(undefined);
  const slotOf = (bucket: number): number => ((bucket % slots) + slots) % slots;
  let newest = Number.NEGATIVE_INFINITY;
  let first = Number.POSITIVE_INFINITY;
  const rowOf = (bucket: number): Float64Array => {
    const slot = slotOf(bucket);
    return (rows[slot] ??= new Float64Array(2 * size));
  };
  const advance = (bucket: number): void => {
    const last = newest === Number.NEGATIVE_INFINITY ? undefined : rowOf(newest).slice();
    for (let each = Math.max(newest + 1, bucket - capacity); each <= bucket; each += 1) {
      if (last === undefined) rowOf(each).fill(0);
      else rowOf(each).set(last);
    }
    first = Math.max(Math.min(first, bucket), bucket - capacity);
    newest = bucket;
  };
  return {
    add(bucket, index, bad, total) {
      if (bucket > newest) advance(bucket);
      // What began before the rows that are kept belongs to no window any more.
      if (bucket <= newest - capacity) return;
      first = Math.min(first, bucket);
      for (let each = bucket; each <= newest; each += 1) {
        const row = rowOf(each);
        row[2 * index] = (row[2 * index] as number) + bad;
        row[2 * index + 1] = (row[2 * index + 1] as number) + total;
      }
    },
    at(bucket) {
      if (newest === Number.NEGATIVE_INFINITY || bucket < newest - capacity || bucket < first) return undefined;
      return rowOf(Math.min(bucket, newest));
    },
  };
}
