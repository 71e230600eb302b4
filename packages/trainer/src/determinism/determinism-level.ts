import { inputInvalid } from "../errors.ts";
import type { Metrics } from "../metrics.ts";

/** How alike two runs with the same options are to be. */
export type DeterminismLevel =
  /** The same weights, to the bit. */
  | "bitwise"
  /** No weight further apart than this; of weights above 1, than this part of them. */
  | { readonly tolerance: number }
  /** Metrics that lie within 5 % of each other, whatever the weights. */
  | "statistical"
  /** The same, with another part than 0.05. */
  | { readonly metricsWithin: number };

/** What is compared of a run. */
export interface ComparedRun {
  readonly weightsDigest: string;
  /** All weights after the last step, one after another. */
  readonly weights: readonly number[];
  readonly metrics: Metrics;
}

/** What two runs with the same options had in common. */
export interface DeterminismReport {
  readonly level: DeterminismLevel;
  readonly holds: boolean;
  /** Whether the final weights were the same, to the bit. */
  readonly sameWeights: boolean;
  /** The largest distance between two weights; of weights above 1, as a part of them. */
  readonly weightDistance: number;
  /** The largest distance between two metrics of a name, as a part of the larger one. */
  readonly metricDistance: number;
}

/** In a manifest: `bitwise`, `tolerance 0.001`, `statistical 0.05`. */
export function levelText(level: DeterminismLevel): string {
  if (level === "bitwise") return level;
  if (level === "statistical") return "statistical 0.05";
  return "tolerance" in level ? `tolerance ${level.tolerance}` : `statistical ${level.metricsWithin}`;
}

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkLevel(level: DeterminismLevel): void {
  if (level === "bitwise" || level === "statistical") return;
  if (typeof level !== "object" || level === null)
    throw inputInvalid("determinism", level, '"bitwise", "statistical", { tolerance } or { metricsWithin }');
  const [field, value] = "tolerance" in level ? ["tolerance", level.tolerance] : ["metricsWithin", level.metricsWithin];
  if (!(typeof value === "number" && value >= 0 && Number.isFinite(value)))
    throw inputInvalid(`determinism.${field}`, value, "a finite number from 0");
}

/** NaN is as far from any number as can be, and not far from itself. */
function distance(a: number, b: number, scale: number): number {
  if (Object.is(a, b) || a === b) return 0;
  const apart = Math.abs(a - b) / scale;
  return Number.isNaN(apart) ? Infinity : apart;
}

/** Compares two runs with the same options. Pure. */
export function compareRuns(level: DeterminismLevel, one: ComparedRun, other: ComparedRun): DeterminismReport {
  const sameWeights = one.weightsDigest === other.weightsDigest;
  let weightDistance = one.weights.length === other.weights.length ? 0 : Infinity;
  for (const [index, weight] of one.weights.entries()) {
    const theirs = other.weights[index] ?? Number.NaN;
    weightDistance = Math.max(weightDistance, distance(weight, theirs, Math.max(1, Math.abs(weight))));
  }
  let metricDistance = 0;
  for (const [name, value] of Object.entries(one.metrics)) {
    const theirs = other.metrics[name] ?? Number.NaN;
    metricDistance = Math.max(metricDistance, distance(value, theirs, Math.max(Math.abs(value), Math.abs(theirs))));
  }
  const holds = (): boolean => {
    if (level === "bitwise") return sameWeights && weightDistance === 0;
    if (level === "statistical") return metricDistance <= 0.05;
    return "tolerance" in level ? weightDistance <= level.tolerance : metricDistance <= level.metricsWithin;
  };
  return { level, holds: holds(), sameWeights, weightDistance, metricDistance };
}
