import { forecast, noiseOf } from "../pruners/curve-fit.ts";
import type { Direction, Trial } from "../trial.ts";

/** Weight of the belief that a value and what becomes of it differ by a shift alone, in pairs of trials. */
const shiftPairs = 2;
/** A curve of fewer is not extrapolated. */
const fewestReports = 3;
/** The least that a better value counts for at the end. */
const leastSlope = 0.05;

/**
 * The trials with an estimate of the first objective at the end of training in place of the curves that were stopped: those that completed as they are, those that reported
 * anything as completed with the estimate, the others unchanged. What a loss x at step s comes to is a + b·x, fitted to the trials that went on beyond s with
 * *their* estimates, from the last step down; b is drawn towards 1 by the weight of two pairs. Which trials go on depends on x alone, so that they are no biased choice.
 * A curve of three reports or more is extrapolated as well (`forecast`), and the two are averaged by their precision: the line knows no slow learners, the curve does.
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
  const horizon = Math.max(0, ...curves.map(({ intermediates }) => intermediates.at(-1)?.[0] ?? 0));
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
    for (const { trial, loss } of here) estimates.set(trial.number, weighed(line, loss, ahead(trial, horizon, sign)));
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
function fitLine(pairs: readonly (readonly [x: number, y: number])[], here: readonly number[]): Line {
  if (pairs.length === 0) return { at: (x) => x, deviation: Infinity };
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
  const at = (x: number): number => meanY + slope * (x - meanX);
  // Two pairs' worth of the spread before, so that few pairs are not believed too much.
  const squares = pairs.reduce((sum, [x, y]) => sum + (y - at(x)) ** 2, weight);
  return { at, deviation: Math.sqrt(squares / (pairs.length + shiftPairs)) };
}

interface Line {
  at(loss: number): number;
  /** Of what a loss comes to, around the line. */
  readonly deviation: number;
}

/** What the trial's own curve says. */
function ahead(
  { intermediates }: Trial,
  horizon: number,
  sign: number,
): { readonly mean: number; readonly deviation: number } | undefined {
  const reports = intermediates.filter(([step, value]) => step > 0 && Number.isFinite(value));
  if (reports.length < fewestReports || (reports.at(-1)?.[0] ?? 0) >= horizon) return undefined;
  const losses = reports.map(([, value]) => sign * value);
  return forecast({ steps: reports.map(([step]) => step), losses }, horizon, noiseOf(losses));
}

/** The mean of both forecasts, weighed by their precision. */
function weighed(line: Line, loss: number, own: ReturnType<typeof ahead>): number {
  if (own === undefined || !Number.isFinite(own.mean) || !(own.deviation > 0)) return line.at(loss);
  const share = line.deviation === Infinity ? 1 : line.deviation ** 2 / (line.deviation ** 2 + own.deviation ** 2);
  return share * own.mean + (1 - share) * line.at(loss);
}
