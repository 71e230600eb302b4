import type { Random } from "@millwright/contracts";
import { applyCalibration, type CalibrationMap } from "@millwright/model";
import { shuffled } from "../multivariate/kernel.ts";
import { rocAuc } from "./roc-auc.ts";

type IsotonicMap = Extract<CalibrationMap, { readonly kind: "isotonic" }>;

/**
 * Isotonic regression of labels on scores by pooling adjacent violators, as scikit-learn's with `out_of_bounds="clip"`: equal scores are one point, between points are straight lines, beyond
 * them it is constant.
 */
export function fitIsotonic(scores: Float64Array, labels: Float64Array): IsotonicMap {
  const order = Uint32Array.from({ length: scores.length }, (_, row) => row).sort((a, b) => scores[a]! - scores[b]!);
  // Blocks of one mean, from the first to the last score in them.
  const blocks: { first: number; last: number; sum: number; count: number }[] = [];
  for (let start = 0; start < order.length;) {
    const score = scores[order[start]!]!;
    let [end, sum] = [start, 0];
    for (; end < order.length && scores[order[end]!] === score; end += 1) sum += labels[order[end]!]!;
    blocks.push({ first: score, last: score, sum, count: end - start });
    start = end;
    for (let top = blocks.length - 1; top > 0; top -= 1) {
      const [low, high] = [blocks[top - 1]!, blocks[top]!];
      if (low.sum / low.count < high.sum / high.count) break;
      blocks.splice(top - 1, 2, {
        first: low.first,
        last: high.last,
        sum: low.sum + high.sum,
        count: low.count + high.count,
      });
    }
  }
  const points = blocks.flatMap(({ first, last, sum, count }) =>
    (first === last ? [first] : [first, last]).map((score) => [score, sum / count] as const),
  );
  return { kind: "isotonic", scores: points.map(([score]) => score), probabilities: points.map(([, share]) => share) };
}

/** Calibrated probabilities; the scores themselves where there is no map. */
export const calibrated = (scores: Float64Array, map: CalibrationMap | undefined): Float64Array =>
  map === undefined ? scores : applyCalibration(map, scores.slice());

const splits = 10;
const heldShare = 0.1;
const bins = 10;

/**
 * Whether isotonic calibration brings held-out scores nearer to what came true, as NannyML asks it: ten stratified splits with a tenth held out, expected calibration error over ten
 * bins of equal counts. Never for labels of one kind, nor where scores tell all apart (area over 0.999).
 */
export function needsCalibration(scores: Float64Array, labels: Float64Array, random: Random): boolean {
  const kinds = [0, 1].map((kind) => Uint32Array.from(labels.keys()).filter((row) => labels[row] === kind));
  if (kinds.some(({ length }) => length < 2) || rocAuc(scores, labels) > 0.999) return false;
  const held: { readonly score: number; readonly calibrated: number; readonly label: number }[] = [];
  for (let split = 0; split < splits; split += 1) {
    const test: number[] = [];
    const train: number[] = [];
    for (const rows of kinds) {
      const count = Math.max(1, Math.round(rows.length * heldShare));
      for (const [place, at] of shuffled(rows.length, random).entries()) (place < count ? test : train).push(rows[at]!);
    }
    const at = (from: Float64Array, rows: readonly number[]) => Float64Array.from(rows, (row) => from[row]!);
    const answers = calibrated(at(scores, test), fitIsotonic(at(scores, train), at(labels, train)));
    for (const [place, row] of test.entries())
      held.push({ score: scores[row]!, calibrated: answers[place]!, label: labels[row]! });
  }
  const errorOf = (key: "score" | "calibrated"): number =>
    calibrationError(
      Float64Array.from(held, (row) => row[key]),
      Float64Array.from(held, ({ label }) => label),
    );
  return errorOf("score") > errorOf("calibrated");
}

/** Expected calibration error over bins of equal counts. */
function calibrationError(scores: Float64Array, labels: Float64Array): number {
  const order = Uint32Array.from({ length: scores.length }, (_, row) => row).sort((a, b) => scores[a]! - scores[b]!);
  const width = Math.max(1, Math.floor(order.length / bins));
  const last = Math.floor(order.length / width);
  let error = 0;
  for (let bin = 0; bin < last; bin += 1) {
    let difference = 0;
    const end = bin === last - 1 ? order.length : (bin + 1) * width;
    for (const row of order.subarray(bin * width, end)) difference += scores[row]! - labels[row]!;
    error += Math.abs(difference) / order.length;
  }
  return error;
}
