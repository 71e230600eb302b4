import { checkOptions, type DriftDetector, type Mechanism, runDetector } from "./detector.ts";

export interface DdmOptions {
  /** No verdict until more values than these. Default: 30. */
  readonly warmUp?: number | undefined;
  /** Standard deviations above the best error rate that warn. Default: 2. */
  readonly warningThreshold?: number | undefined;
  /** Standard deviations above the best error rate that are a drift. Default: 3. */
  readonly driftThreshold?: number | undefined;
}

type RequiredOptions<Options> = Required<{ [Name in keyof Options]: NonNullable<Options[Name]> }>;

const ddmStart = () => ({ count: 0, rate: 0, bestRate: 0, bestSpread: 0, best: Number.MAX_VALUE });

const ddm: Mechanism<RequiredOptions<DdmOptions>, ReturnType<typeof ddmStart>> = {
  kind: "ddm",
  range: [0, 1],
  start: ddmStart,
  step(values, value, { warmUp, warningThreshold, driftThreshold }) {
    values.count += 1;
    values.rate += (1 / values.count) * (value - values.rate);
    const { rate, count } = values;
    const spread = Math.sqrt(Math.max(0, rate * (1 - rate)) / count);
    if (count <= warmUp) return "stable";
    if (rate + spread <= values.best) {
      values.bestRate = rate;
      values.bestSpread = spread;
      values.best = rate + spread;
    }
    if (rate + spread > values.bestRate + driftThreshold * values.bestSpread) return "drift";
    return rate + spread > values.bestRate + warningThreshold * values.bestSpread ? "warning" : "stable";
  },
};

/** The drift detection method on errors, 1 wrong and 0 right (Gama et al. 2004), equal to river's. Throws `MONITOR_DETECTOR_INVALID`. */
export function createDdm(options: DdmOptions = {}, saved?: unknown): DriftDetector {
  const { warmUp = 30, warningThreshold = 2, driftThreshold = 3 } = options;
  checkOptions("ddm", {
    warmUp: { value: warmUp, from: 0, integer: true },
    warningThreshold: { value: warningThreshold, from: 0 },
    driftThreshold: { value: driftThreshold, from: 0 },
  });
  const { values: _, ...detector } = runDetector(ddm, { warmUp, warningThreshold, driftThreshold }, saved);
  return detector;
}

export interface EddmOptions {
  /** No verdict until more values, and more errors, than these. Default: 30. */
  readonly warmUp?: number | undefined;
  /** Share of the longest distance between errors below which it warns, at least `beta`. Default: 0.95. */
  readonly alpha?: number | undefined;
  /** Share of the longest distance between errors below which it is a drift. Default: 0.9. */
  readonly beta?: number | undefined;
}

const eddmStart = () => ({ count: 0, errors: 0, last: 0, mean: 0, squares: 0, longest: -1, warned: false });

const eddm: Mechanism<RequiredOptions<EddmOptions>, ReturnType<typeof eddmStart>> = {
  kind: "eddm",
  range: [0, 1],
  start: eddmStart,
  step(values, value, { warmUp, alpha, beta }) {
    values.count += 1;
    if (value === 1) {
      values.errors += 1;
      const distance = values.count - values.last;
      values.last = values.count;
      const before = values.mean;
      values.mean += (1 / values.errors) * (distance - values.mean);
      values.squares += (distance - before) * (distance - values.mean);
      if (values.count > warmUp) {
        const spread = values.errors > 1 ? Math.sqrt(values.squares / (values.errors - 1)) : 0;
        const reach = values.mean + 2 * spread;
        if (reach > values.longest) values.longest = reach;
        else if (values.errors > warmUp) {
          const level = reach / values.longest;
          if (level < beta) return "drift";
          values.warned = level < alpha;
        }
      }
    }
    // Between errors nothing new is known: the warning stands.
    return values.warned ? "warning" : "stable";
  },
};

/** The early drift detection method on distances between errors (Baena-García et al. 2006), equal to river's. Throws `MONITOR_DETECTOR_INVALID`. */
export function createEddm(options: EddmOptions = {}, saved?: unknown): DriftDetector {
  const { warmUp = 30, alpha = 0.95, beta = 0.9 } = options;
  checkOptions("eddm", {
    warmUp: { value: warmUp, from: 0, integer: true },
    beta: { value: beta, from: 0, to: 1 },
    alpha: { value: alpha, from: beta, to: 1 },
  });
  const { values: _, ...detector } = runDetector(eddm, { warmUp, alpha, beta }, saved);
  return detector;
}
