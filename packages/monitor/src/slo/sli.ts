import { sampleEmpty } from "../errors.ts";
import { type LatencyHistogram, percentileOf, withinThreshold } from "./percentiles.ts";

/** What is measured, and where good ends. */
export type Sli =
  /** Good events of all: requests that succeeded, jobs that ended well, windows without drift. */
  | { readonly type: "ratio" }
  /** Durations of at most the threshold. */
  | { readonly type: "latency"; readonly thresholdMs: number }
  /** Data of at most this age. */
  | { readonly type: "freshness"; readonly maximumAgeMs: number }
  /** Right answers of the labelled ones. */
  | { readonly type: "quality" }
  /** Answers, rows or features that are there, of those that should be. */
  | { readonly type: "coverage" }
  /** Slices of time with at least so many events a second. */
  | { readonly type: "throughput"; readonly minimumPerSecond: number }
  /** Units (training hours, thousands of predictions) that cost at most so much each. */
  | { readonly type: "cost"; readonly maximumPerUnit: number };

/** What each type is measured on. */
export interface Observations {
  readonly ratio: { readonly good: number; readonly total: number };
  readonly latency: LatencyHistogram;
  /** Ages in milliseconds; null where there was nothing to serve, which is bad. */
  readonly freshness: readonly (number | null)[];
  /** Answers in all tell how many are not labelled. */
  readonly quality: { readonly right: number; readonly labelled: number; readonly answers: number };
  readonly coverage: { readonly covered: number; readonly total: number };
  /** Events of each slice. */
  readonly throughput: { readonly sliceMs: number; readonly events: readonly number[] };
  /** Each with the units it bought. Spending without units (a job that failed) adds to the cost of all. */
  readonly cost: readonly { readonly cost: number; readonly units: number }[];
}

export interface SliReading {
  /** Of events, slices or units: for the counts of an objective. */
  readonly good: number;
  readonly total: number;
  /** Share that is good, in [0, 1]; NaN where nothing was measured. */
  readonly ratio: number;
  /**
   * The figure that people know it by: the ratio, P99 in ms (latency), largest age in ms (freshness), events a second (throughput), cost per unit (cost). NaN
   * where nothing was measured.
   */
  readonly value: number;
}

const reading = (good: number, total: number, value: number = good / total): SliReading => ({
  good,
  total,
  ratio: good / total,
  value: total === 0 ? Number.NaN : value,
});

/** Measures an indicator. */
export function measureSli<Type extends Sli["type"]>(
  sli: Extract<Sli, { readonly type: Type }>,
  observed: Observations[Type],
): SliReading;
export function measureSli(sli: Sli, observed: unknown): SliReading {
  if (typeof observed !== "object" || observed === null)
    throw new TypeError("What was observed is an object or a list.");
  const seen = observed as Observations[keyof Observations];
  switch (sli.type) {
    case "ratio": {
      const { good, total } = seen as Observations["ratio"];
      return reading(counted(good), counted(total));
    }
    case "latency":
      return latencyReading(seen as LatencyHistogram, sli.thresholdMs);
    case "freshness": {
      const ages = [...(seen as Observations["freshness"])];
      const fresh = ages.filter((age) => age !== null && age <= sli.maximumAgeMs).length;
      return reading(fresh, ages.length, Math.max(...ages.map((age) => age ?? Number.POSITIVE_INFINITY)));
    }
    case "quality": {
      const { right, labelled } = seen as Observations["quality"];
      return reading(counted(right), counted(labelled));
    }
    case "coverage": {
      const { covered, total } = seen as Observations["coverage"];
      return reading(counted(covered), counted(total));
    }
    case "throughput": {
      const { sliceMs, events } = seen as Observations["throughput"];
      const perSecond = [...events].map((each) => (counted(each) * 1000) / sliceMs);
      const mean = perSecond.reduce((sum, each) => sum + each, 0) / perSecond.length;
      return reading(perSecond.filter((each) => each >= sli.minimumPerSecond).length, perSecond.length, mean);
    }
    case "cost":
      return costReading([...(seen as Observations["cost"])], sli.maximumPerUnit);
    default:
      throw new RangeError(`Nothing is measured as ${String((sli as { readonly type: unknown }).type)}.`);
  }
}

function counted(value: number): number {
  if (!(value >= 0)) throw new RangeError(`A count is at least 0, not ${String(value)}.`);
  return value;
}

function latencyReading(histogram: LatencyHistogram, thresholdMs: number): SliReading {
  const { good, total } = withinThreshold(histogram, thresholdMs);
  return reading(good, total, total === 0 ? Number.NaN : percentileOf(histogram, 99).milliseconds);
}

function costReading(bought: Observations["cost"], maximumPerUnit: number): SliReading {
  const cost = bought.reduce((sum, each) => sum + counted(each.cost), 0);
  const units = bought.reduce((sum, each) => sum + counted(each.units), 0);
  if (units === 0 && cost > 0) throw sampleEmpty("list of what was bought");
  const good = bought.reduce((sum, each) => sum + (each.cost <= each.units * maximumPerUnit ? each.units : 0), 0);
  return reading(good, units, cost / units);
}
