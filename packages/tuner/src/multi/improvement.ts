import { logImprovement } from "../gp/expected-improvement.ts";
import type { Boxes } from "./box-decomposition.ts";

/** The log of an acquisition and its slopes by each objective's mean and standard deviation. */
export interface LogImprovement {
  value: number;
  readonly byMean: Float64Array;
  readonly byDeviation: Float64Array;
}

/** The log of the expected hypervolume improvement of a point whose losses are independent normals. */
export interface HypervolumeImprovement {
  /** The result is the same object each time. */
  at(means: ArrayLike<number>, deviations: ArrayLike<number>): LogImprovement;
}

/** Of one objective: the places where boxes begin or end. */
interface Thresholds {
  readonly places: Float64Array;
  readonly logShortfalls: Float64Array;
  readonly logProbabilities: Float64Array;
  readonly logDensities: Float64Array;
}

/** Below this relative difference of two shortfalls the interval is narrow enough for the midpoint rule. */
const narrow = 1e-9;

/**
 * Exact, by the box decomposition: a box gains, in each objective, E[max(0, upper − Y)] − E[max(0, lower − Y)], and their product is summed over the boxes.
 * Yang, Emmerich, Deutz and Bäck 2019, Journal of Global Optimization 75. Kept in logarithms throughout, so that it has a slope where the improvement
 * itself underflows: Ament et al. 2023, arXiv 2310.20708.
 * @param boxes Of the region not dominated yet.
 */
export function hypervolumeImprovement(boxes: Boxes): HypervolumeImprovement {
  const { count, objectives } = boxes;
  const thresholds = Array.from({ length: objectives }, (_, objective) => thresholdsOf(boxes, objective));
  const from = indicesOf(boxes.lower, thresholds, objectives);
  const to = indicesOf(boxes.upper, thresholds, objectives);
  const result = { value: 0, byMean: new Float64Array(objectives), byDeviation: new Float64Array(objectives) };
  const logs = new Float64Array(count);
  const logGains = new Float64Array(count * objectives);
  return {
    at(means, deviations) {
      for (const [objective, known] of thresholds.entries())
        fill(known, means[objective] as number, deviations[objective] as number);
      let largest = -Infinity;
      for (let box = 0; box < count; box += 1) {
        let log = 0;
        for (let objective = 0; objective < objectives; objective += 1) {
          const cell = box * objectives + objective;
          const gain = logGain(thresholds[objective] as Thresholds, from[cell] as number, to[cell] as number);
          logGains[cell] = gain;
          log += gain;
        }
        logs[box] = log;
        if (log > largest) largest = log;
      }
      result.byMean.fill(0);
      result.byDeviation.fill(0);
      result.value = largest;
      if (largest === -Infinity) return result;
      let total = 0;
      for (let box = 0; box < count; box += 1) {
        const weight = Math.exp((logs[box] as number) - largest);
        total += weight;
        if (weight > 1e-14) addSlopes(box, weight);
      }
      result.value = largest + Math.log(total);
      for (let objective = 0; objective < objectives; objective += 1) {
        result.byMean[objective] = (result.byMean[objective] as number) / total;
        result.byDeviation[objective] = (result.byDeviation[objective] as number) / total;
      }
      return result;
    },
  };

  function addSlopes(box: number, weight: number): void {
    for (let objective = 0; objective < objectives; objective += 1) {
      const cell = box * objectives + objective;
      const { logProbabilities, logDensities } = thresholds[objective] as Thresholds;
      const gain = logGains[cell] as number;
      const low = from[cell] as number;
      const high = to[cell] as number;
      let mass = Math.exp((logProbabilities[high] as number) - gain);
      let slope = Math.exp((logDensities[high] as number) - gain);
      if (low >= 0) {
        mass -= Math.exp((logProbabilities[low] as number) - gain);
        slope -= Math.exp((logDensities[low] as number) - gain);
      }
      result.byMean[objective] = (result.byMean[objective] as number) - weight * mass;
      result.byDeviation[objective] = (result.byDeviation[objective] as number) + weight * slope;
    }
  }
}

function thresholdsOf({ count, objectives, lower, upper }: Boxes, objective: number): Thresholds {
  const places = new Set<number>();
  for (let box = 0; box < count; box += 1) {
    const low = lower[box * objectives + objective] as number;
    if (low !== -Infinity) places.add(low);
    places.add(upper[box * objectives + objective] as number);
  }
  const sorted = Float64Array.from(places).sort();
  return {
    places: sorted,
    logShortfalls: new Float64Array(sorted.length),
    logProbabilities: new Float64Array(sorted.length),
    logDensities: new Float64Array(sorted.length),
  };
}

/** -1 for an open end. */
function indicesOf(bounds: Float64Array, thresholds: readonly Thresholds[], objectives: number): Int32Array {
  const indices = thresholds.map(({ places }) => new Map([...places].map((place, index) => [place, index])));
  return Int32Array.from(bounds, (bound, cell) => indices[cell % objectives]?.get(bound) ?? -1);
}

function fill(thresholds: Thresholds, mean: number, deviation: number): void {
  const { places, logShortfalls, logProbabilities, logDensities } = thresholds;
  const logDeviation = Math.log(deviation);
  for (let index = 0; index < places.length; index += 1) {
    const z = ((places[index] as number) - mean) / deviation;
    const { log, slope, density } = logImprovement(z);
    logShortfalls[index] = logDeviation + log;
    logProbabilities[index] = log + Math.log(slope);
    logDensities[index] = log + Math.log(density);
  }
}

/** log of what the interval between two thresholds gains. */
function logGain({ places, logShortfalls, logProbabilities }: Thresholds, low: number, high: number): number {
  const above = logShortfalls[high] as number;
  if (low < 0) return above;
  const difference = -Math.expm1((logShortfalls[low] as number) - above);
  if (difference > narrow) return above + Math.log(difference);
  const width = (places[high] as number) - (places[low] as number);
  return Math.log(width) + ((logProbabilities[low] as number) + (logProbabilities[high] as number)) / 2;
}
