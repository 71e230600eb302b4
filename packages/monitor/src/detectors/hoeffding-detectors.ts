import { checkOptions, type DetectorVerdict, type DriftDetector, type Mechanism, runDetector } from "./detector.ts";

export interface HddmAOptions {
  /** In (0, 1]: smaller is more careful. Default: 0.001. */
  readonly driftConfidence?: number | undefined;
  /** In (0, 1]. Default: 0.005. */
  readonly warningConfidence?: number | undefined;
  /** Whether a falling mean counts too. Default: false. */
  readonly twoSided?: boolean | undefined;
}

type RequiredOptions<Options> = Required<{ [Name in keyof Options]: NonNullable<Options[Name]> }>;
type AverageOptions = RequiredOptions<HddmAOptions>;

const averageStart = () => ({ count: 0, mean: 0, lowCount: 0, lowMean: 0, highCount: 0, highMean: 0 });

/** How far means of the first `cut` of `count` values and of all of them may part by chance. */
const partingBound = (cut: number, count: number, confidence: number): number =>
  Math.sqrt((((count - cut) / cut) * (1 / count) * Math.log(2 / confidence)) / 2);

function averageParts(
  { count, mean, lowCount, lowMean, highCount, highMean }: ReturnType<typeof averageStart>,
  confidence: number,
): { readonly rose: boolean; readonly fell: boolean } {
  return {
    rose: lowCount !== count && mean - lowMean >= partingBound(lowCount, count, confidence),
    fell: highCount !== count && highMean - mean >= partingBound(highCount, count, confidence),
  };
}

/** The louder of what both sides say; a fall may add to what a rise says, and takes nothing back. */
function louder(
  drift: { readonly rose: boolean; readonly fell: boolean },
  warning: { readonly rose: boolean; readonly fell: boolean },
  twoSided: boolean,
): DetectorVerdict {
  if (drift.rose || (twoSided && drift.fell)) return "drift";
  return warning.rose || (twoSided && warning.fell) ? "warning" : "stable";
}

const hddmA: Mechanism<AverageOptions, ReturnType<typeof averageStart>> = {
  kind: "hddm-a",
  range: [0, 1],
  start: averageStart,
  step(values, value, { driftConfidence, warningConfidence, twoSided }) {
    const bound = (count: number): number => Math.sqrt((1 / (2 * count)) * Math.log(1 / driftConfidence));
    values.count += 1;
    values.mean += (1 / values.count) * (value - values.mean);
    const { count, mean } = values;
    const here = bound(count);
    if (values.lowCount === 0 || values.lowMean + bound(values.lowCount) >= mean + here) {
      values.lowCount = count;
      values.lowMean = mean;
    }
    if (values.highCount === 0 || values.highMean - bound(values.highCount) <= mean - here) {
      values.highCount = count;
      values.highMean = mean;
    }
    return louder(averageParts(values, driftConfidence), averageParts(values, warningConfidence), twoSided);
  },
};

/** HDDM with Hoeffding's bound on averages (Frías-Blanco et al. 2015), for values in [0, 1], equal to river's. Throws `MONITOR_DETECTOR_INVALID`. */
export function createHddmA(options: HddmAOptions = {}, saved?: unknown): DriftDetector {
  const { driftConfidence = 0.001, warningConfidence = 0.005, twoSided = false } = options;
  checkConfidences("hddm-a", driftConfidence, warningConfidence);
  const { values: _, ...detector } = runDetector(hddmA, { driftConfidence, warningConfidence, twoSided }, saved);
  return detector;
}

function checkConfidences(kind: string, driftConfidence: number, warningConfidence: number): void {
  checkOptions(kind, {
    driftConfidence: { value: driftConfidence, from: Number.MIN_VALUE, to: 1 },
    warningConfidence: { value: warningConfidence, from: Number.MIN_VALUE, to: 1 },
  });
}

export interface HddmWOptions extends HddmAOptions {
  /** Weight of the newest value, in (0, 1]. Default: 0.05. */
  readonly lambda?: number | undefined;
}

type WeightedOptions = RequiredOptions<HddmWOptions>;

/** A weighted mean: [1 when it has seen a value, mean, sum of squared weights]. */
type Sample = [seen: number, mean: number, squares: number];
const noSample = (): Sample => [0, 0, 1];

function take(sample: Sample, value: number, lambda: number): void {
  sample[1] = sample[0] === 0 ? value : lambda * value + (1 - lambda) * sample[1];
  sample[0] = 1;
  sample[2] = lambda * lambda + (1 - lambda) ** 2 * sample[2];
}

const weightedStart = () => ({
  total: noSample(),
  lowCut: Number.MAX_VALUE,
  lowBefore: noSample(),
  lowAfter: noSample(),
  highCut: -Number.MAX_VALUE,
  highBefore: noSample(),
  highAfter: noSample(),
});

const parted = (below: Sample, above: Sample, confidence: number): boolean =>
  below[0] === 1 &&
  above[0] === 1 &&
  above[1] - below[1] > Math.sqrt(((below[2] + above[2]) * Math.log(1 / confidence)) / 2);

const hddmW: Mechanism<WeightedOptions, ReturnType<typeof weightedStart>> = {
  kind: "hddm-w",
  range: [0, 1],
  start: weightedStart,
  step(values, value, { driftConfidence, warningConfidence, lambda, twoSided }) {
    take(values.total, value, lambda);
    const [, mean, squares] = values.total;
    const bound = Math.sqrt((squares * Math.log(1 / driftConfidence)) / 2);
    if (mean + bound < values.lowCut) {
      values.lowCut = mean + bound;
      values.lowBefore = [...values.total];
      values.lowAfter = noSample();
    } else take(values.lowAfter, value, lambda);
    if (mean - bound > values.highCut) {
      values.highCut = mean - bound;
      values.highBefore = [...values.total];
      values.highAfter = noSample();
    } else take(values.highAfter, value, lambda);
    const parts = (confidence: number) => ({
      rose: parted(values.lowBefore, values.lowAfter, confidence),
      fell: parted(values.highAfter, values.highBefore, confidence),
    });
    return louder(parts(driftConfidence), parts(warningConfidence), twoSided);
  },
};

/** HDDM with McDiarmid's bound on weighted averages (Frías-Blanco et al. 2015), for values in [0, 1], equal to river's. Throws `MONITOR_DETECTOR_INVALID`. */
export function createHddmW(options: HddmWOptions = {}, saved?: unknown): DriftDetector {
  const { driftConfidence = 0.001, warningConfidence = 0.005, lambda = 0.05, twoSided = false } = options;
  checkConfidences("hddm-w", driftConfidence, warningConfidence);
  checkOptions("hddm-w", { lambda: { value: lambda, from: Number.MIN_VALUE, to: 1 } });
  const { values: _, ...detector } = runDetector(
    hddmW,
    { driftConfidence, warningConfidence, lambda, twoSided },
    saved,
  );
  return detector;
}

export interface FhddmOptions {
  /** Values in the window. Default: 100. */
  readonly window?: number | undefined;
  /** Values in a second, shorter window; undefined: none. */
  readonly shortWindow?: number | undefined;
  /** In (0, 1]: smaller is more careful. Default: 0.000001. */
  readonly confidence?: number | undefined;
}

interface FastOptions {
  readonly window: number;
  /** 0: none. */
  readonly shortWindow: number;
  readonly confidence: number;
}

const fastStart = () => ({ kept: [] as number[], sum: 0, best: 0, shortBest: 0 });

const fhddm: Mechanism<FastOptions, ReturnType<typeof fastStart>> = {
  kind: "fhddm",
  range: [0, 1],
  start: fastStart,
  step(values, value, { window, shortWindow, confidence }) {
    const bound = (length: number): number => Math.sqrt(Math.log(1 / confidence) / (2 * length));
    values.kept.push(value);
    values.sum += value;
    if (values.kept.length < window) return "stable";
    const mean = values.sum / window;
    values.best = Math.max(values.best, mean);
    let isShort = false;
    if (shortWindow > 0) {
      const short = values.kept.slice(-shortWindow).reduce((sum, each) => sum + each, 0) / shortWindow;
      values.shortBest = Math.max(values.shortBest, short);
      isShort = values.shortBest - short > bound(shortWindow);
    }
    values.sum -= values.kept.shift() as number;
    return isShort || values.best - mean > bound(window) ? "drift" : "stable";
  },
};

/** The fast Hoeffding method (Pesaranghader and Viktor 2016), equal to river's: watches for a *fall* of values in [0, 1], 1 right and 0 wrong. Throws `MONITOR_DETECTOR_INVALID`. */
export function createFhddm(options: FhddmOptions = {}, saved?: unknown): DriftDetector {
  const { window = 100, shortWindow, confidence = 0.000001 } = options;
  checkOptions("fhddm", {
    window: { value: window, from: 1, to: 1_000_000, integer: true },
    shortWindow: { value: shortWindow ?? 0, from: 0, to: window, integer: true },
    confidence: { value: confidence, from: Number.MIN_VALUE, to: 1 },
  });
  const { values: _, ...detector } = runDetector(fhddm, { window, shortWindow: shortWindow ?? 0, confidence }, saved);
  return detector;
}
