import { percentileOf } from "../pruners/reports.ts";
import { createEncoding, type Dimension } from "../samplers/encoding.ts";
import type { Parameter } from "../space.ts";
import { type Scored, type StudyRecord, scoredTrials } from "./record.ts";

/** What a study says about its space. */
export interface SpaceAdvice {
  readonly parameter: string;
  /**
   * `best-at-bound`: the best trials crowd at an end of the range. `no-effect`: its values make no difference. `coarse-step`: neighbours on its grid
   * differ much. `wrong-scale`: on a linear scale over decades, the best lie in the lowest of them. `prior-conflict`: the enqueued points were among the worst.
   */
  readonly problem: "best-at-bound" | "no-effect" | "coarse-step" | "wrong-scale" | "prior-conflict";
  readonly advice: "raise-high" | "lower-low" | "fix-value" | "smaller-step" | "use-log" | "drop-prior";
  /** The finding and the mend, as a sentence. */
  readonly text: string;
  /** The numbers it was found by. */
  readonly evidence: Readonly<Record<string, number>>;
}

interface Seen {
  readonly name: string;
  readonly parameter: Parameter;
  readonly dimension: Dimension;
  /** Coordinates in [0, 1] and losses of the trials that have the parameter, best first. */
  readonly points: readonly { readonly at: number; readonly loss: number; readonly number: number }[];
}

const fewest = 20;

/** What is odd about the space, by the completed trials; nothing below 20 of them. Pure. */
export function spaceHealth(record: StudyRecord): readonly SpaceAdvice[] {
  const scored = scoredTrials(record).filter(({ loss }) => Number.isFinite(loss));
  if (scored.length < fewest) return [];
  const { dimensions, encode } = createEncoding(record.space);
  const ranked = scored.toSorted((a, b) => a.loss - b.loss);
  const encoded = ranked.map(({ trial, loss }) => ({ trial, loss, point: encode(trial.params) }));
  const advice: SpaceAdvice[] = [];
  for (const [index, dimension] of dimensions.entries()) {
    const name = dimension.parameter;
    const points = encoded
      .filter(({ trial }) => trial.params[name] !== undefined)
      .map(({ trial, loss, point }) => ({ at: point[index] as number, loss, number: trial.number }));
    const parameter = record.space[name] as Parameter;
    if (points.length < fewest || parameter.kind === "permutation" || parameter.kind === "subset") continue;
    const seen: Seen = { name, parameter, dimension, points };
    for (const found of [atBound(seen), wrongScale(seen), coarseStep(seen), noEffect(seen)])
      if (found !== undefined) advice.push(found);
  }
  const conflict = priorConflict(ranked);
  return conflict === undefined ? advice : [...advice, conflict];
}

/**
 * The best trial lies in the outer twentieth of the range, and a parabola through the ranks of the trials still falls where it meets the end there
 * (slope against its standard error above 3.5).
 */
function atBound({ name, parameter, points }: Seen): SpaceAdvice | undefined {
  if (parameter.kind !== "float" && parameter.kind !== "int") return undefined;
  const best = (points[0] as { at: number }).at;
  const high = best > 0.5;
  const inward = points.map(({ at }) => (high ? 1 - at : at));
  const slope = slopeAtZero(
    inward,
    inward.map((_, rank) => rank / inward.length),
  );
  if ((high ? 1 - best : best) > 0.05 || !(slope > 3.5)) return undefined;
  const bound = high ? parameter.high : parameter.low;
  return {
    parameter: name,
    problem: "best-at-bound",
    advice: high ? "raise-high" : "lower-low",
    text: `Trials get better up to the ${high ? "high" : "low"} end of "${name}": ${
      high ? `raise its high above ${bound}` : `lower its low below ${bound}`
    }.`,
    evidence: { trials: points.length, slope, bound },
  };
}

/** The slope at 0 of the least-squares parabola through the points, over its standard error. NaN where the points do not tell. */
function slopeAtZero(xs: readonly number[], ys: readonly number[]): number {
  const n = xs.length;
  const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / n;
  const squares = xs.map((x) => x * x);
  // Centred, and the square's part taken out of the line's (Frisch, Waugh and Lovell).
  const centred = (of: readonly number[]): number[] => {
    const middle = mean(of);
    return of.map((value) => value - middle);
  };
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
  const [line, square, y] = [centred(xs), centred(squares), centred(ys)];
  const without = (of: readonly number[]): number[] => {
    const share = dot(of, square) / dot(square, square);
    return of.map((value, index) => value - share * (square[index] as number));
  };
  const [own, rest] = [without(line), without(y)];
  const power = dot(own, own);
  const slope = dot(own, rest) / power;
  const residual = rest.reduce((sum, value, index) => sum + (value - slope * (own[index] as number)) ** 2, 0);
  return slope / Math.sqrt(residual / (n - 3) / power);
}

/** P(X ≥ successes) of a binomial distribution. */
function binomialTail(draws: number, successes: number, probability: number): number {
  let term = (1 - probability) ** draws;
  let below = 0;
  for (let count = 0; count < successes; count += 1) {
    below += term;
    term *= ((draws - count) / (count + 1)) * (probability / (1 - probability));
  }
  return Math.max(0, 1 - below);
}

/**
 * Linear, over three decades or more, and of the best tenth of the trials (at least 5) more in the lowest tenth of the range than a blind search would
 * have there (binomial, p ≤ 0.0001), the best of all among them.
 */
function wrongScale({ name, parameter, points }: Seen): SpaceAdvice | undefined {
  if (parameter.kind !== "float" && parameter.kind !== "int") return undefined;
  const reverse = parameter.kind === "float" && parameter.reverseLog === true;
  if (parameter.log || reverse || parameter.low <= 0 || parameter.high / parameter.low < 1000) return undefined;
  const top = points.slice(0, Math.max(5, Math.round(points.length / 10)));
  const low = top.filter(({ at }) => at <= 0.1).length;
  if ((top[0] as { at: number }).at > 0.1 || binomialTail(top.length, low, 0.1) > 1e-4) return undefined;
  return {
    parameter: name,
    problem: "wrong-scale",
    advice: "use-log",
    text: `${low} of the best ${top.length} trials have "${name}" in the lowest tenth of its range, which spans decades: search it with { log: true }.`,
    evidence: { top: top.length, low, decades: Math.log10(parameter.high / parameter.low) },
  };
}

/** On a grid of 3 values or more: from the best value to the better of its neighbours, the median changes by more than the middle half of all trials does. */
function coarseStep({ name, parameter, dimension, points }: Seen): SpaceAdvice | undefined {
  const stepped = (parameter.kind === "float" || parameter.kind === "int") && parameter.step !== undefined;
  if (
    !stepped ||
    dimension.levels < 3 ||
    dimension.levels > points.length / 3 ||
    (parameter.kind === "int" && parameter.step === 1)
  )
    return undefined;
  const levels = new Map<number, number[]>();
  for (const { at, loss } of points) {
    const level = Math.min(dimension.levels - 1, Math.floor(at * dimension.levels));
    levels.set(level, [...(levels.get(level) ?? []), loss]);
  }
  const medians = [...levels]
    .filter(([, losses]) => losses.length >= 3)
    .map(([level, losses]) => ({ level, median: percentileOf(losses, 50) }));
  const best = medians.toSorted((a, b) => a.median - b.median)[0];
  const neighbours = medians.filter(({ level }) => best !== undefined && Math.abs(level - best.level) === 1);
  if (best === undefined || neighbours.length === 0) return undefined;
  const jump = Math.min(...neighbours.map(({ median }) => median)) - best.median;
  const losses = points.map(({ loss }) => loss);
  const spread = percentileOf(losses, 75) - percentileOf(losses, 25);
  if (!(jump > spread)) return undefined;
  return {
    parameter: name,
    problem: "coarse-step",
    advice: "smaller-step",
    text: `From the best value of "${name}" to the next on its grid the objective changes more than between the middle half of all trials: give it a step below ${parameter.step}.`,
    evidence: { jump, spread, step: parameter.step as number },
  };
}

/** Kruskal and Wallis's H over four groups by value says that the ranks do not depend on it: ε² = (H − k + 1)/(n − k) below 0.01, of 40 trials or more. */
function noEffect({ name, dimension, points }: Seen): SpaceAdvice | undefined {
  if (points.length < 40) return undefined;
  const groups = new Map<number, number[]>();
  const ordered = points.toSorted((a, b) => a.at - b.at || a.number - b.number);
  const ranks = new Map(points.map(({ number }, rank) => [number, rank + 1]));
  for (const [place, { at, number }] of ordered.entries()) {
    const group = dimension.levels <= 8 ? Math.floor(at * dimension.levels) : Math.floor((4 * place) / ordered.length);
    groups.set(group, [...(groups.get(group) ?? []), ranks.get(number) as number]);
  }
  const [n, k] = [points.length, groups.size];
  if (k < 2) return undefined;
  const sum = [...groups.values()].reduce((total, own) => total + own.reduce((a, b) => a + b, 0) ** 2 / own.length, 0);
  const h = (12 / (n * (n + 1))) * sum - 3 * (n + 1);
  const effect = (h - k + 1) / (n - k);
  if (effect >= 0.01) return undefined;
  return {
    parameter: name,
    problem: "no-effect",
    advice: "fix-value",
    text: `The values of "${name}" make no difference in ${n} trials: give it one value, and search the others better.`,
    evidence: { trials: n, effect: Math.max(0, effect) },
  };
}

/** What was enqueued, three points or more, is all in the worse half of the trials. */
function priorConflict(ranked: readonly Scored[]): SpaceAdvice | undefined {
  const places = ranked.flatMap(({ trial }, place) => (trial.explanation["sampler"] === "enqueued" ? [place] : []));
  const [best] = places;
  if (places.length < 3 || best === undefined || best < ranked.length / 2) return undefined;
  return {
    parameter: "(enqueued)",
    problem: "prior-conflict",
    advice: "drop-prior",
    text: `The best of the ${places.length} enqueued points is number ${best + 1} of ${ranked.length}: they lead the search astray.`,
    evidence: { enqueued: places.length, bestPlace: best + 1, trials: ranked.length },
  };
}
