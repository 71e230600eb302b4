import type { CalibrationMap } from "./calibration.ts";

/** Calibrated probabilities, `outputs` numbers a row, in place of the given ones; the map is one for so many. */
export function calibrate(map: CalibrationMap, probabilities: Float32Array | Float64Array, outputs: number): void {
  if (outputs > 1 && map.kind === "temperature") cool(probabilities, outputs, map.temperature);
  else {
    const each = mapOne(map);
    for (let at = 0; at < probabilities.length; at += 1) probabilities[at] = each(probabilities[at]!);
  }
}

const logit = (probability: number): number => {
  const within = Math.min(1 - 1e-15, Math.max(1e-15, probability));
  return Math.log(within / (1 - within));
};

function mapOne(map: CalibrationMap): (probability: number) => number {
  if (map.kind === "isotonic") return (probability) => interpolate(map, probability);
  const [slope, intercept] = map.kind === "platt" ? [map.slope, map.intercept] : [1 / map.temperature, 0];
  return (probability) => 1 / (1 + Math.exp(-(slope * logit(probability) + intercept)));
}

function interpolate(
  { scores, probabilities }: Extract<CalibrationMap, { readonly kind: "isotonic" }>,
  score: number,
): number {
  if (score !== score) return score;
  let [low, high] = [0, scores.length - 1];
  if (score <= scores[low]!) return probabilities[low]!;
  if (score >= scores[high]!) return probabilities[high]!;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (scores[middle]! <= score) low = middle;
    else high = middle;
  }
  const share = (score - scores[low]!) / (scores[high]! - scores[low]!);
  return probabilities[low]! + share * (probabilities[high]! - probabilities[low]!);
}

/** softmax(log p / T), row by row. */
function cool(probabilities: Float32Array | Float64Array, outputs: number, temperature: number): void {
  for (let start = 0; start < probabilities.length; start += outputs) {
    const row = probabilities.subarray(start, start + outputs);
    const logs = Float64Array.from(row, (each) => Math.log(Math.max(each, 1e-300)) / temperature);
    const largest = logs.reduce((most, each) => Math.max(most, each), -Infinity);
    const powers = logs.map((each) => Math.exp(each - largest));
    const total = powers.reduce((sum, each) => sum + each, 0);
    for (let at = 0; at < outputs; at += 1) row[at] = powers[at]! / total;
  }
}
