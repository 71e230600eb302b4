import type { Direction, Trial } from "../trial.ts";

/** Weight of the belief that a value and what becomes of it differ by a shift alone, in pairs of trials. */
const shiftPairs = 2;
/** The least that a better value counts for at the end. */
const leastSlope = 0.05;

/**
 * The trials with an estimate of the first objective at the end of training in place of the curves that were stopped: those that completed as they are, those that reported
 * anything as completed with the estimate, the others unchanged. What a loss x at step s comes to is a + b·x, fitted to the trials that went on beyond s with
 * *their* estimates, from the last step down; b is drawn towards 1 by the weight of two pairs. Which trials go on depends on x alone, so that they are no biased choice.
 */
export function estimateFinals({
  trials,
  direction,
}: {
  readonly trials: readonly Trial[];
  readonly direction: Direction;
}): readonly Trial[] {
  const sign = direction === "minimize" ? 1 : -1;
  const estimates = new Map<number, number>();
  const open: { readonly trial: Trial; readonly step: number; readonly loss: number }[] = [];
  const curves: Trial[] = [];
  for (const trial of trials) {
    const last = trial.intermediates.at(-1);
    const value = trial.values?.[0] ?? trial.value;
    if (trial.state === "completed" && value !== undefined) estimates.set(trial.number, sign * value);
    if (last === undefined || Number.isNaN(last[1]) || trial.state === "failed") continue;
    curves.push(trial);
    if (trial.state !== "completed") open.push({ trial, step: last[0], loss: sign * last[1] });
  }
  const steps = [...new Set(open.map(({ step }) => step))].toSorted((a, b) => b - a);
  for (const step of steps) {
    const here = open.filter((entry) => entry.step === step);
    const pairs = curves.flatMap((trial): readonly (readonly [number, number])[] => {
      const final = estimates.get(trial.number);
      const loss = lossAt(trial, step, sign);
      return final === undefined || loss === undefined || !Number.isFinite(final) ? [] : [[loss, final]];
    });
    const line = fitLine(
      pairs,
      here.map(({ loss }) => loss),
    );
    for (const { trial, loss } of here) estimates.set(trial.number, line(loss));
  }
  return trials.map((trial): Trial => {
    const loss = estimates.get(trial.number);
    if (loss === undefined || trial.state === "completed") return trial;
    const value = sign * loss;
    return { ...trial, state: "completed", value, values: [value] };
  });
}

/** The newest finite loss at or before a step. */
function lossAt({ intermediates }: Trial, step: number, sign: number): number | undefined {
  const value = intermediates.findLast(([at]) => at <= step)?.[1];
  return value === undefined || !Number.isFinite(value) ? undefined : sign * value;
}

/** @param here The losses to be mapped: their spread is the scale of the slope's prior. */
function fitLine(pairs: readonly (readonly [x: number, y: number])[], here: readonly number[]): (x: number) => number {
  if (pairs.length === 0) return (x) => x;
  const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [meanOf(pairs.map(([x]) => x)), meanOf(pairs.map(([, y]) => y))];
  const finite = [...here, ...pairs.map(([x]) => x)].filter(Number.isFinite);
  const centre = meanOf(finite);
  const weight = shiftPairs * meanOf(finite.map((x) => (x - centre) ** 2));
  let [xx, xy] = [weight, weight];
  for (const [x, y] of pairs) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
  }
  const slope = xx > 0 ? Math.max(leastSlope, xy / xx) : 1;
  return (x) => meanY + slope * (x - meanX);
}
