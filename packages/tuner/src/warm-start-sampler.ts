import type { Random } from "@millwright/contracts";
import { lossOf } from "./outcome.ts";
import { createEncoding } from "./samplers/encoding.ts";
import { tpeSampler } from "./samplers/tpe.ts";
import type { Params, Space } from "./space.ts";
import { contains } from "./space-check.ts";
import { isActive } from "./space-conditions.ts";
import { isAllowed } from "./space-constraints.ts";
import type { Direction, Sampler, SuggestContext, Suggestion, Trial } from "./trial.ts";
import { type PriorStudy, type WarmStart, priorOfParents } from "./warm-start.ts";

export interface TransferOptions {
  /** Whether the values of what is known mean the same here, and count as trials of this study. Default: false; only their order counts. */
  readonly comparable?: boolean | undefined;
  /** So many of the best points are tried first, those of all prior studies in turn, from 0. Default: 3. */
  readonly points?: number | undefined;
  /** After so many trials of its own what is known counts half, from 0. Default: 10. */
  readonly halfLife?: number | undefined;
}

interface Known {
  readonly params: Params;
  readonly loss: number;
  /** Its place among its study's, from 0, the best, to 1. */
  readonly quantile: number;
  readonly study: string;
}

/** The part of each prior study that tells where good parameters are. */
const goodPart = 0.15;

/**
 * Any sampler, with what other studies know. It tries their best points first. Then a part of the suggestions, halfLife / (halfLife + n) after n trials, comes from a density around
 * the best trials of the others, and the base sampler sees theirs beside its own: with their values where these are comparable; else with the values that trials of the
 * same rank have here, and fewer of them as the study has more of its own. Pure.
 * A prior that fades: Hvarfner et al., πBO, arXiv 2204.11051; ranks: Salinas, Shen and Perrone, "A quantile-based approach for hyperparameter transfer learning", ICML 2020.
 */
export function transferSampler(
  prior: readonly PriorStudy[],
  base: Sampler = tpeSampler(),
  { comparable = false, points = 3, halfLife = 10 }: TransferOptions = {},
): Sampler {
  checkPrior(prior, base);
  if (!Number.isInteger(points) || points < 0)
    throw new RangeError(`points is ${String(points)}; it must be a whole number from 0.`);
  if (typeof halfLife !== "number" || !(halfLife >= 0))
    throw new RangeError(`halfLife is ${String(halfLife)}; it must be a number from 0.`);
  return {
    name: `transfer ${base.name}`,
    suggest(space, context, random) {
      const known = knownPoints(space, prior, context.constraints);
      const own = context.trials.filter(({ explanation }) => explanation["sampler"] !== "enqueued");
      const first = bestInTurn(known, points)[own.length];
      if (first !== undefined && own.length < points)
        return { params: first.params, explanation: { sampler: "transfer", phase: "point", from: first.study } };
      const share = known.length === 0 ? 0 : halfLife / (halfLife + own.length);
      if (!comparable && random.fork("prior").next() < share / 2) {
        const drawn = drawNear(
          space,
          known.filter(({ quantile }) => quantile <= goodPart),
          context,
          random.fork("density"),
        );
        if (drawn !== undefined) return drawn;
      }
      const virtual = comparable ? asTrials(known, (each) => each.loss, context) : byRank(known, share, context);
      const trials = [...virtual, ...context.trials];
      const { params, explanation } = base.suggest(space, { ...context, trials }, random);
      return { params, explanation: { ...explanation, known: virtual.length } };
    },
  };
}

export interface PriorOptions {
  readonly name: string;
  readonly space: Space;
  readonly direction: Direction;
  readonly warmStart?: WarmStart | undefined;
  readonly priorTrials?: readonly PriorStudy[] | undefined;
}

/** The study's sampler, with what the study begins from. Throws TypeError, `TUNER_WARM_START_*`. */
export function withPrior({ warmStart, priorTrials, ...study }: PriorOptions, base: Sampler): Sampler {
  const told = priorTrials === undefined ? base : transferSampler(priorTrials, base);
  if (warmStart === undefined) return told;
  const comparable = warmStart.type === "identical-data-and-algorithm";
  return transferSampler(priorOfParents(study, warmStart), told, { comparable });
}

/** Throws TypeError. */
function checkPrior(prior: readonly PriorStudy[], base: Sampler): void {
  if (typeof base?.suggest !== "function") throw new TypeError("transferSampler needs a sampler that it may ask.");
  const isPoint = (point: unknown): boolean => {
    const { params, loss } = (point ?? {}) as Partial<PriorStudy["points"][number]>;
    return typeof params === "object" && params !== null && typeof loss === "number" && !Number.isNaN(loss);
  };
  const isStudy = (study: unknown): boolean => {
    const { points } = (study ?? {}) as Partial<PriorStudy>;
    return Array.isArray(points) && points.every(isPoint);
  };
  if (!Array.isArray(prior) || !prior.every(isStudy))
    throw new TypeError("What is known must be a list of studies with a name and points of params and loss.");
}

/** What of the prior studies is in the space. */
function knownPoints(
  space: Space,
  prior: readonly PriorStudy[],
  constraints: SuggestContext["constraints"],
): readonly Known[] {
  return prior.flatMap(({ name, points }) => {
    const ranked = points.toSorted((a, b) => a.loss - b.loss);
    return ranked.flatMap(({ params, loss }, rank) => {
      const own = within(space, params);
      if (own === undefined || !isAllowed(constraints, own)) return [];
      return [{ params: own, loss, quantile: (rank + 0.5) / ranked.length, study: name }];
    });
  });
}

/** The parameters of the space alone; `undefined` where one is missing, or out of its domain. */
function within(space: Space, params: Params): Params | undefined {
  const own: Record<string, Params[string]> = {};
  for (const [name, parameter] of Object.entries(space)) {
    if (!isActive(space, name, params)) continue;
    const value = params[name];
    if (value === undefined || !contains(parameter, value)) return undefined;
    own[name] = value;
  }
  return own;
}

/** The best of each study, then the second best of each. */
function bestInTurn(known: readonly Known[], count: number): readonly Known[] {
  return known.toSorted((a, b) => a.quantile - b.quantile).slice(0, count);
}

/** A kernel on a random good point: normal, and reflected at the ends of the cube; categories change with the chance of a fifth. */
function drawNear(
  space: Space,
  good: readonly Known[],
  { constraints }: SuggestContext,
  random: Random,
): Suggestion | undefined {
  if (good.length === 0) return undefined;
  const encoding = createEncoding(space);
  const { dimensions } = encoding;
  const width = 0.3 * good.length ** (-1 / (dimensions.length + 4));
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const centre = good[random.integer(good.length)] as Known;
    const point = encoding.encode(centre.params);
    for (const [index, { kind, levels }] of dimensions.entries()) {
      if (kind === "categorical") {
        if (random.next() < 0.2) point[index] = (random.integer(levels) + 0.5) / levels;
      } else point[index] = reflect((point[index] as number) + width * random.normal());
    }
    const params = encoding.decode(point);
    if (isAllowed(constraints, params))
      return { params, explanation: { sampler: "transfer", phase: "density", near: centre.study, width } };
  }
  return undefined;
}

const reflect = (at: number): number => {
  const folded = Math.abs(at) % 2;
  return folded > 1 ? 2 - folded : folded;
};

/** Trials before the study's own, with values on its scale. */
function asTrials(
  known: readonly Known[],
  lossAt: (known: Known) => number,
  { direction, directions = [direction] }: SuggestContext,
): readonly Trial[] {
  return known.map((each, index): Trial => {
    const loss = lossAt(each);
    const value = direction === "minimize" ? loss : -loss;
    return {
      number: index - known.length,
      state: "completed",
      params: each.params,
      explanation: { sampler: "transfer", from: each.study },
      value,
      values: directions.map(() => value),
      intermediates: [],
      attempts: 1,
    };
  });
}

/** Values by rank: what trials at the same quantile have here. Needs a few of those; the share of the known fades. */
function byRank(known: readonly Known[], share: number, context: SuggestContext): readonly Trial[] {
  const losses = context.trials
    .filter(({ state }) => state === "completed")
    .flatMap((trial) => lossOf(trial, context.direction) ?? [])
    .filter(Number.isFinite)
    .toSorted((a, b) => a - b);
  if (losses.length < 5 || (context.directions?.length ?? 1) > 1) return [];
  const every = Math.max(1, Math.round(1 / Math.max(share, 1e-3)));
  const kept = known.toSorted((a, b) => a.quantile - b.quantile).filter((_, index) => index % every === 0);
  return asTrials(kept, ({ quantile }) => quantileOf(losses, quantile), context);
}

/** @param sorted Rising. */
function quantileOf(sorted: readonly number[], quantile: number): number {
  const place = quantile * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  const above = sorted[Math.ceil(place)] as number;
  return below + (above - below) * (place - Math.floor(place));
}
