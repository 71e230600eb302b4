import { createRandom, type Random } from "@millwright/contracts";
import { checkOptions, type DetectorState, type ThresholdDetector } from "./detector.ts";
import { detectorInvalid } from "../errors.ts";
import { poissonInterval } from "../statistics/distributions.ts";

export interface OnlineMmdOptions {
  /** Rows between false alarms, on average: the expected run time. Default: 1,000. */
  readonly averageRunLength?: number | undefined;
  /** The newest rows, which are compared with the reference. Default: 50. */
  readonly window?: number | undefined;
  /** Random features that stand for the kernel. Default: 64. */
  readonly features?: number | undefined;
  /** Default: 1. */
  readonly seed?: number | undefined;
}

/** All that the reference came to. */
interface Model {
  readonly window: number;
  readonly threshold: number;
  readonly means: readonly number[];
  readonly deviations: readonly number[];
  /** One row of weights, then a phase, for each random feature. */
  readonly weights: readonly (readonly number[])[];
  /** Mean of each feature over the reference. */
  readonly center: readonly number[];
}

const kind = "online-mmd";
const fewestRows = 200;
const sequences = 40;
/** Share of the risk that the simulated run length is longer than the true one. */
const confidence = 0.9;

const standardized = (
  { means, deviations }: Pick<Model, "means" | "deviations">,
  row: ArrayLike<number>,
): Float64Array =>
  Float64Array.from(means, (mean, index) => ((row[index] as number) - mean) / (deviations[index] as number));

/** cos(w·x + b) for each feature (Rahimi and Recht 2007). */
const featuresOf = (weights: Model["weights"], x: Float64Array): Float64Array =>
  Float64Array.from(weights, (weight) => {
    let angle = weight[x.length] as number;
    for (let index = 0; index < x.length; index += 1) angle += (weight[index] as number) * (x[index] as number);
    return Math.cos(angle);
  });

/** The mean of the window's features, kept up to date, and its distance from the center. */
function createWindow(center: readonly number[], length: number) {
  const kept: Float64Array[] = [];
  const sums = new Float64Array(center.length);
  return {
    push(features: Float64Array): number | undefined {
      kept.push(features);
      const oldest = kept.length > length ? (kept.shift() as Float64Array) : undefined;
      let distance = 0;
      for (let index = 0; index < sums.length; index += 1) {
        sums[index] = (sums[index] as number) + (features[index] as number) - (oldest?.[index] ?? 0);
        distance += ((sums[index] as number) / length - (center[index] as number)) ** 2;
      }
      return kept.length < length ? undefined : (2 * distance) / sums.length;
    },
  };
}

function checkRows(rows: readonly ArrayLike<number>[]): number {
  if (!Array.isArray(rows) || rows.length < fewestRows)
    throw detectorInvalid(kind, `the reference must hold at least ${fewestRows} rows`);
  const width = (rows[0] as ArrayLike<number>).length;
  if (!(width >= 1)) throw detectorInvalid(kind, "the rows of the reference are empty");
  for (const row of rows as readonly ArrayLike<number>[]) {
    if (row.length !== width) throw detectorInvalid(kind, "the rows of the reference differ in length");
    for (let index = 0; index < width; index += 1)
      if (!Number.isFinite(row[index])) throw detectorInvalid(kind, "a value of the reference is no finite number");
  }
  return width;
}

function scalesOf(rows: readonly ArrayLike<number>[], width: number): Pick<Model, "means" | "deviations"> {
  const columns = Array.from({ length: width }, (_, index) => rows.map((row) => row[index] as number));
  const means = columns.map((values) => values.reduce((sum, each) => sum + each, 0) / values.length);
  const deviations = columns.map((values, index) => {
    const mean = means[index] as number;
    return Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length) || 1;
  });
  return { means, deviations };
}

/** The median distance between rows, the usual width of the kernel. */
function medianDistance(rows: readonly Float64Array[], random: Random): number {
  const distances = Array.from({ length: 500 }, () => {
    const [a, b] = [rows[random.integer(rows.length)], rows[random.integer(rows.length)]] as [
      Float64Array,
      Float64Array,
    ];
    return Math.hypot(...a.map((value, index) => value - (b[index] as number)));
  });
  return distances.toSorted((a, b) => a - b)[250] || 1;
}

/**
 * Fits a detector on rows in which nothing was wrong: the maximum mean discrepancy (Gretton et al. 2012) between them and the last `window` rows, by random features. Its threshold is the smallest
 * at which streams drawn from half of the reference, compared with the other half, run for at least `averageRunLength` rows on average, at 90 % confidence: the expected run time of Cobb et al. (2022).
 * O(window) memory. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createOnlineMmd(
  reference: readonly ArrayLike<number>[],
  options: OnlineMmdOptions = {},
): ThresholdDetector<ArrayLike<number>> {
  const { averageRunLength = 1_000, window = 50, features = 64, seed = 1 } = options;
  const width = checkRows(reference);
  checkOptions(kind, {
    averageRunLength: { value: averageRunLength, from: 2, to: 1e6 },
    window: { value: window, from: 2, to: 10_000, integer: true },
    features: { value: features, from: 1, to: 4096, integer: true },
    seed: { value: seed, integer: true },
  });
  const random = createRandom(seed);
  const scales = scalesOf(reference, width);
  const rows = reference.map((row) => standardized(scales, row));
  const bandwidth = medianDistance(rows, random);
  const weights = Array.from({ length: features }, () => [
    ...Array.from({ length: width }, () => random.normal() / bandwidth),
    2 * Math.PI * random.next(),
  ]);
  const mapped = rows.map((row) => featuresOf(weights, row));
  // Halves at random: the reference may be in the order of time.
  for (let index = mapped.length - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [mapped[index], mapped[other]] = [mapped[other] as Float64Array, mapped[index] as Float64Array];
  }
  const half = mapped.length >> 1;
  const centerOf = (of: readonly Float64Array[]): number[] =>
    weights.map((_, index) => of.reduce((sum, each) => sum + (each[index] as number), 0) / of.length);
  const center = centerOf(mapped.slice(0, half));
  const records = simulate(mapped.slice(half), { center, window, averageRunLength, random });
  const threshold = thresholdOf(records, averageRunLength);
  return runMmd({ window, threshold, ...scales, weights, center }, { averageRunLength, window, features, seed }, []);
}

/** For each simulated stream: when its statistic reached a new height, and that height; and its length. */
interface Path {
  readonly length: number;
  readonly records: readonly (readonly [time: number, height: number])[];
}

function simulate(
  pool: readonly Float64Array[],
  {
    center,
    window,
    averageRunLength,
    random,
  }: {
    readonly center: readonly number[];
    readonly window: number;
    readonly averageRunLength: number;
    readonly random: Random;
  },
): Path[] {
  const length = window + 2 * averageRunLength;
  return Array.from({ length: sequences }, () => {
    const seen = createWindow(center, window);
    const records: [number, number][] = [];
    let highest = Number.NEGATIVE_INFINITY;
    for (let time = 1; time <= length; time += 1) {
      const statistic = seen.push(pool[random.integer(pool.length)] as Float64Array);
      if (statistic === undefined || statistic <= highest) continue;
      highest = statistic;
      records.push([time, statistic]);
    }
    return { length, records };
  });
}

/** The smallest height that streams pass so seldom that their run length is surely long enough. */
function thresholdOf(paths: readonly Path[], averageRunLength: number): number {
  const heights = paths.flatMap(({ records }) => records.map(([, height]) => height)).toSorted((a, b) => a - b);
  const isEnough = (height: number): boolean => {
    let [rows, alarms] = [0, 0];
    for (const { length, records } of paths) {
      const first = records.find(([, reached]) => reached > height);
      rows += first?.[0] ?? length;
      if (first !== undefined) alarms += 1;
    }
    return rows / poissonInterval(alarms, 2 * confidence - 1)[1] >= averageRunLength;
  };
  let [low, high] = [0, heights.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isEnough(heights[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return heights[high] as number;
}

function runMmd(
  model: Model,
  options: Readonly<Record<string, number>>,
  saved: readonly (readonly number[])[],
): ThresholdDetector<ArrayLike<number>> {
  const { means, weights, center, window, threshold } = model;
  let rows: number[][] = [];
  let seen = createWindow(center, window);
  let statistic = 0;
  let drifted = false;
  const reset = (): void => {
    rows = [];
    seen = createWindow(center, window);
    statistic = 0;
    drifted = false;
  };
  const take = (row: readonly number[]): void => {
    rows.push([...row]);
    if (rows.length > window) rows.shift();
    statistic = seen.push(featuresOf(weights, standardized(model, row))) ?? 0;
    drifted = statistic > threshold;
  };
  for (const row of saved) take(row);
  return {
    kind,
    threshold,
    statistic: () => statistic,
    reset,
    update(value) {
      if (value === null || value === undefined) return "stable";
      if (typeof value !== "object" || value.length !== means.length)
        throw detectorInvalid(kind, `a row must be a list of ${means.length} numbers`);
      const row = Array.from({ length: value.length }, (_, index) => Number(value[index]));
      if (!row.every(Number.isFinite)) return "stable";
      if (drifted) reset();
      take(row);
      return drifted ? "drift" : "stable";
    },
    state: () => ({
      formatVersion: 1,
      kind,
      options: structuredClone(options),
      values: structuredClone({ model, rows }),
    }),
  };
}

/** Goes on where `state` of `createOnlineMmd` was taken, without the reference. Throws `MONITOR_DETECTOR_INVALID`. */
export function restoreOnlineMmd(state: DetectorState): ThresholdDetector<ArrayLike<number>> {
  const { formatVersion, kind: found, options = {}, values = {} } = (state ?? {}) as Partial<DetectorState>;
  if (formatVersion !== 1 || found !== kind)
    throw detectorInvalid(kind, `its state is of the kind "${String(found)}", format ${String(formatVersion)}`);
  const { model, rows } = values as { readonly model?: Model | undefined; readonly rows?: unknown };
  const isNumbers = (list: unknown, length?: number): list is number[] =>
    Array.isArray(list) && (length === undefined || list.length === length) && list.every(Number.isFinite);
  const width = Array.isArray(model?.means) ? model.means.length : 0;
  if (
    model === undefined ||
    !isNumbers([model.window, model.threshold]) ||
    !isNumbers(model.means) ||
    !isNumbers(model.deviations, width) ||
    !Array.isArray(model.weights) ||
    !model.weights.every((weight) => isNumbers(weight, width + 1)) ||
    !isNumbers(model.center, model.weights.length) ||
    !Array.isArray(rows) ||
    !rows.every((row) => isNumbers(row, width))
  )
    throw detectorInvalid(kind, "its saved values are not sound");
  return runMmd(structuredClone(model), options as Readonly<Record<string, number>>, rows as number[][]);
}
