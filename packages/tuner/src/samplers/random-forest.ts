import { type Random, createRandom } from "@millwright/contracts";
import { type Candidate, type Landscape, climb } from "../forest/local-search.ts";
import { type RegressionForest, fitForest, predictForest } from "../forest/regression-forest.ts";
import { logTargets, trialTargets } from "../forest/targets.ts";
import { type TrialTable, trialTable } from "../forest/trial-table.ts";
import { logExpectedImprovement } from "../gp/expected-improvement.ts";
import type { Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";
import { type Encoding, createEncoding } from "./encoding.ts";
import { sobolSequence } from "./sobol.ts";

export interface RandomForestOptions {
  /** Trials that fill the space evenly before the forest is asked. Default: ten per parameter, but at most a tenth of the planned trials, and at least 5. */
  readonly startupTrials?: number | undefined;
  /** From 1. Default: 10. */
  readonly trees?: number | undefined;
  /** Part of the later trials that are drawn at random, from 0 to 1. Default: 0.2. */
  readonly randomShare?: number | undefined;
  /** Points drawn at random before the best ones are followed up by local search, from 1. Default: 1,000. */
  readonly candidates?: number | undefined;
}

/**
 * Sequential search by a random forest, as SMAC does: Hutter, Hoos, Leyton-Brown, LION 2011; Lindauer et al., "SMAC3", JMLR 23 (2022). A Sobol design first;
 * then the forest is fitted to the logarithms of the values, and the point of the greatest log expected improvement is suggested, found by random draws and local
 * search. Choices without order, conditions and steps need no encoding: trees split them as they are.
 */
export function randomForestSampler(options: RandomForestOptions = {}): Sampler {
  checkOptions(options);
  const shapes = new WeakMap<Space, Shape>();
  return {
    name: "random-forest",
    suggest(space, context, random) {
      let shape = shapes.get(space);
      if (shape === undefined) {
        const encoding = createEncoding(space);
        shape = { space, encoding, table: trialTable(space, encoding) };
        shapes.set(space, shape);
      }
      const known = context.trials.filter(({ state }) => state !== "waiting");
      const { randomShare = 0.2 } = options;
      if (shape.encoding.dimensions.length === 0 || known.length < startupOf(options, space, context))
        return design(shape, context, random);
      const targets = trialTargets(known, context, random);
      if (targets === undefined || random.next() < randomShare)
        return {
          params: drawParams(space, random, context.constraints),
          explanation: { sampler: "random-forest", phase: "random", trials: known.length },
        };
      return modelled(shape, context, { known, targets, options }, random);
    },
  };
}

interface Shape {
  readonly space: Space;
  readonly encoding: Encoding;
  readonly table: TrialTable;
}

function checkOptions({ startupTrials = 1, trees = 10, randomShare = 0.2, candidates = 1 }: RandomForestOptions): void {
  for (const [name, value] of Object.entries({ startupTrials, trees, candidates }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`${name} is ${String(value)}; it must be a whole number from 1.`);
  if (!(typeof randomShare === "number" && randomShare >= 0 && randomShare <= 1))
    throw new RangeError(`randomShare is ${String(randomShare)}; it must be a number from 0 to 1.`);
}

function startupOf(
  { startupTrials }: RandomForestOptions,
  space: Space,
  { plannedTrials = 100 }: SuggestContext,
): number {
  return startupTrials ?? Math.max(5, Math.min(10 * Object.keys(space).length, Math.floor(plannedTrials / 10)));
}

/** The next point of a scrambled Sobol sequence; its scrambling is chosen by the first trial and read back by the others. */
function design({ space, encoding }: Shape, { trials, constraints }: SuggestContext, random: Random): Suggestion {
  const before = trials.filter(({ explanation }) => explanation["sampler"] === "random-forest");
  const told = before.find(({ explanation }) => typeof explanation["scrambling"] === "number");
  const scrambling = Number(told?.explanation["scrambling"] ?? random.integer(2 ** 32));
  const point = sobolSequence(encoding.dimensions.length, createRandom(scrambling)).point(before.length);
  const params = encoding.decode(point);
  return {
    params: isAllowed(constraints, params) ? params : drawParams(space, random, constraints),
    explanation: { sampler: "random-forest", phase: "design", trials: before.length, scrambling },
  };
}

interface Known {
  readonly known: readonly Trial[];
  readonly targets: Float64Array;
  readonly options: RandomForestOptions;
}

function modelled(
  shape: Shape,
  context: SuggestContext,
  { known, targets, options }: Known,
  random: Random,
): Suggestion {
  const { table, space, encoding } = shape;
  const width = table.columns.length;
  const rows = new Float64Array(known.length * width);
  for (const [index, { params }] of known.entries()) rows.set(table.rowOf(params), index * width);
  const values = logTargets(targets);
  const forest = fitForest(table.columns, rows, values, { trees: options.trees ?? 10 }, random);
  const best = Math.min(...values);
  const landscape = createLandscape(shape, context, known, { forest, best });
  const starts = startPoints(shape, known, values, options.candidates ?? 1_000, landscape, random);
  const found = starts
    .map((start) => climb(landscape, start, 10, random))
    .reduce((first, second) => (second.score > first.score ? second : first));
  // Where everything allowed near the best was tried, anything else.
  const params =
    found.score > -Infinity ? encoding.decode(found.point) : drawParams(space, random, context.constraints);
  const { mean, variance } = predictForest(forest, table.rowOf(params));
  return {
    params,
    explanation: {
      sampler: "random-forest",
      phase: found.score > -Infinity ? "model" : "random",
      trials: known.length,
      ...(found.score > -Infinity ? { logExpectedImprovement: found.score } : {}),
      mean,
      deviation: Math.sqrt(variance),
      best,
    },
  };
}

function createLandscape(
  { table, encoding }: Shape,
  { constraints = [] }: SuggestContext,
  known: readonly Trial[],
  { forest, best }: { readonly forest: RegressionForest; readonly best: number },
): Landscape {
  const tried = new Set(known.map(({ params }) => JSON.stringify(params)));
  return {
    encoding,
    score(point) {
      const row = table.rowAt(point);
      const { mean, variance } = predictForest(forest, row);
      return logExpectedImprovement(mean, Math.sqrt(Math.max(variance, 1e-10)), best);
    },
    allows(point) {
      const params = encoding.decode(point);
      return isAllowed(constraints, params) && !tried.has(JSON.stringify(params));
    },
  };
}

/** The five best of some random points that may be suggested, and the places of the five best trials, which may not. */
function startPoints(
  { encoding }: Shape,
  known: readonly Trial[],
  values: Float64Array,
  count: number,
  { score, allows }: Landscape,
  random: Random,
): readonly Candidate[] {
  const width = encoding.dimensions.length;
  const drawn = Array.from({ length: count }, () => {
    const point = Float64Array.from({ length: width }, () => random.next());
    return { point, score: score(point) };
  }).sort((a, b) => b.score - a.score);
  const best: Candidate[] = [];
  for (const candidate of drawn) if (best.length < 5 && allows(candidate.point)) best.push(candidate);
  const order = [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number)).slice(0, 5);
  const places = order.map((index) => ({ point: encoding.encode((known[index] as Trial).params), score: -Infinity }));
  return [...best, ...places];
}
