import type { Random } from "@millwright/contracts";
import { defaultPopulation } from "../evolution/gaussian.ts";
import { type Layout, clip, drawPoint, isInside, layoutOf, meaningOf } from "../evolution/layout.ts";
import { type EvolutionSettings, type NextDraw, type RunMemory, nextDraw } from "../evolution/next.ts";
import type { Params, Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Sampler, SuggestContext } from "../trial.ts";
import { type Encoding, createEncoding } from "./encoding.ts";

export interface CmaEsOptions {
  /** Trials of a generation, at least 4. Default: 4 + ⌊3 ln D⌋ for D coordinates. */
  readonly population?: number | undefined;
  /** First standard deviation, as a part of each range; above 0. Default: 0.2. */
  readonly sigma?: number | undefined;
  /** What comes after a run that has converged: runs elsewhere, with populations that double (`ipop`) and small ones between (`bipop`). Default: `bipop`. */
  readonly restarts?: "bipop" | "ipop" | "none" | undefined;
  /** Shorter steps where they are mostly noise; for noisy objectives with many trials. Default: false. */
  readonly adaptLearningRate?: boolean | undefined;
  /** Pruned trials count as worse than completed ones, by how far they got, or not at all. Default: `ranked`. */
  readonly prunedTrials?: "ranked" | "ignored" | undefined;
  /** Whether trials of other samplers, enqueued ones among them, give the start and join generations when they are the best. Default: true. */
  readonly learnFromOthers?: boolean | undefined;
}

interface Shape {
  readonly encoding: Encoding;
  readonly layout: Layout;
}

/**
 * Evolution strategy with an adapted covariance matrix: Hansen, arXiv 1604.00772 (CMA-ES); Hamano et al., arXiv 2205.13482 (margin, for steps, whole
 * numbers and ordered choices); Hamano et al., arXiv 2405.09962 (CatCMA, for choices without order). Its state is what its trials tell: each one's
 * explanation names run, generation and point, and the first of a generation the trials it was learned from. Any number of workers: a generation ends
 * when as many trials have ended as it has members; later ones join the next. Unlike the model-based samplers it needs hundreds of trials.
 */
export function cmaEsSampler(options: CmaEsOptions = {}): Sampler {
  checkOptions(options);
  const shapes = new WeakMap<Space, Shape>();
  let memory: { readonly space: Space; readonly run: RunMemory } | undefined;
  return {
    name: "cma-es",
    suggest(space, context, random) {
      let shape = shapes.get(space);
      if (shape === undefined) {
        const encoding = createEncoding(space);
        shape = { encoding, layout: layoutOf(space, encoding) };
        shapes.set(space, shape);
      }
      if (shape.layout.dimensions === 0) {
        return { params: drawParams(space, random, context.constraints), explanation: { sampler: "cma-es" } };
      }
      const scene = { ...shape, context, settings: settingsOf(options, shape.layout) };
      const draw = nextDraw(scene, memory?.space === space ? memory.run : undefined, random);
      memory = { space, run: draw.memory };
      const { params, point, repaired } = drawAllowed(shape, space, context, draw, random);
      return {
        params,
        explanation: {
          sampler: "cma-es",
          run: draw.run,
          generation: draw.generation,
          sigma: draw.state.gaussian.sigma,
          ...draw.lead,
          ...(repaired ? { repaired } : {}),
          point: [...point],
        },
      };
    },
  };
}

function checkOptions({
  population = 4,
  sigma = 0.2,
  restarts = "bipop",
  prunedTrials = "ranked",
}: CmaEsOptions): void {
  if (!Number.isSafeInteger(population) || population < 4)
    throw new RangeError(`population is ${String(population)}; it must be a whole number from 4.`);
  if (!(typeof sigma === "number" && sigma > 0 && sigma <= 10))
    throw new RangeError(`sigma is ${String(sigma)}; it must be a number above 0, of at most 10.`);
  if (!["bipop", "ipop", "none"].includes(restarts))
    throw new RangeError(`restarts is ${String(restarts)}; it must be bipop, ipop or none.`);
  if (!["ranked", "ignored"].includes(prunedTrials))
    throw new RangeError(`prunedTrials is ${String(prunedTrials)}; it must be ranked or ignored.`);
}

function settingsOf(options: CmaEsOptions, { axes, categories }: Layout): EvolutionSettings {
  return {
    population: options.population ?? defaultPopulation(axes.length + categories.length),
    sigma: options.sigma ?? 0.2,
    restarts: options.restarts ?? "bipop",
    adaptRates: options.adaptLearningRate ?? false,
    pruned: options.prunedTrials ?? "ranked",
    others: options.learnFromOthers ?? true,
  };
}

/** Draws until the constraints allow one inside the cube; in a finite space, also one that was not tried yet, if that comes soon. */
function drawAllowed(
  { encoding, layout }: Shape,
  space: Space,
  { constraints, trials }: SuggestContext,
  { state }: NextDraw,
  random: Random,
): { readonly params: Params; readonly point: Float64Array; readonly repaired?: string } {
  const tried = layout.continuous.length > 0 ? undefined : new Set(trials.map(({ params }) => JSON.stringify(params)));
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const drawn = drawPoint(layout, state, random);
    const inside = isInside(layout, drawn);
    if (!inside && attempt < 100) continue;
    const point = inside ? drawn : clip(layout, drawn);
    const params = encoding.decode(meaningOf(layout, state, point));
    if (!isAllowed(constraints, params)) continue;
    if (tried !== undefined && attempt < 20 && tried.has(JSON.stringify(params))) continue;
    return inside ? { params, point } : { params, point, repaired: "clipped" };
  }
  const params = drawParams(space, random, constraints);
  return { params, point: encoding.encode(params), repaired: "random" };
}
