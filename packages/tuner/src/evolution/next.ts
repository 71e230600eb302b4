import type { Random } from "@millwright/contracts";
import type { Encoding } from "../samplers/encoding.ts";
import type { SuggestContext, Trial } from "../trial.ts";
import { type FoldState, type Member, axesOf, foldGeneration, sameMembers, startFold } from "./fold.ts";
import { startGaussian } from "./gaussian.ts";
import type { Layout } from "./layout.ts";
import { lossesOf, rankTrials } from "./rank.ts";
import { nextStart, stopReason } from "./restart.ts";
import { type OwnTrial, type Run, type RunStart, readRuns } from "./runs.ts";
import { warmStart } from "./warm-start.ts";

export interface EvolutionSettings {
  readonly population: number;
  readonly sigma: number;
  readonly restarts: "bipop" | "ipop" | "none";
  readonly adaptRates: boolean;
  readonly pruned: "ranked" | "ignored";
  /** Whether trials of other samplers give the start and join generations. */
  readonly others: boolean;
}

/** A run as a sampler remembers it: the state after its start and after each generation, each with what it was made of. */
export interface RunMemory {
  readonly start: RunStart;
  readonly steps: { readonly members: readonly Member[]; readonly state: FoldState }[];
}

/** What the next trial is drawn from. */
export interface NextDraw {
  readonly run: number;
  readonly generation: number;
  readonly state: FoldState;
  /** Of the first trial of a run or generation: what the others read back. */
  readonly lead: Readonly<Record<string, string | number | readonly number[]>>;
  readonly memory: RunMemory;
}

export interface Scene {
  readonly encoding: Encoding;
  readonly layout: Layout;
  readonly context: SuggestContext;
  readonly settings: EvolutionSettings;
}

/** Where the search stands by its trials, and whether the next one begins a run or a generation. */
export function nextDraw(scene: Scene, memory: RunMemory | undefined, random: Random): NextDraw {
  const { layout, context, settings } = scene;
  const runs = readRuns(context.trials, layout.dimensions, layout.axes.length);
  const run = runs.at(-1);
  if (run === undefined) return beginRun(scene, 0, firstStart(scene));
  const remembered = followRun(scene, run, memory);
  const state = stateOf(remembered);
  const here = { run: run.index, generation: run.learned.length, state, lead: {}, memory: remembered };
  const closing = closeGeneration(scene, runs, run);
  if (closing === undefined) return here;
  const policy = settings.restarts === "none" ? "ipop" : settings.restarts;
  const options = { policy, population: settings.population, sigma: settings.sigma, axes: layout.axes.length } as const;
  if (closing === "all failed")
    return beginRun(scene, runs.length, { ...nextStart(runs, options, random), population: run.start.population });
  const members = membersOf(scene, run, closing, run.learned.length);
  const next = foldGeneration(layout, state, members, {
    population: run.start.population,
    adaptRates: settings.adaptRates,
  });
  const learned = [...run.learned, closing];
  const stop = settings.restarts === "none" ? undefined : stopReason(next, stopRules(scene, run, learned));
  if (stop !== undefined) return beginRun(scene, runs.length, nextStart(runs, options, random), { stopped: stop });
  remembered.steps.push({ members, state: next });
  return {
    run: run.index,
    generation: learned.length,
    state: next,
    lead: { learnedFrom: closing },
    memory: remembered,
  };
}

const stateOf = ({ steps }: RunMemory): FoldState => (steps.at(-1) as RunMemory["steps"][number]).state;

function beginRun(scene: Scene, run: number, start: RunStart, lead: NextDraw["lead"] = {}): NextDraw {
  const memory = startMemory(scene, start);
  const { population, regime, start: mean, warmTrials } = start;
  return {
    run,
    generation: 0,
    state: stateOf(memory),
    lead: {
      ...lead,
      population,
      regime,
      sigma: start.sigma,
      ...(mean === undefined ? {} : { start: mean }),
      ...(warmTrials === undefined ? {} : { warmTrials }),
    },
    memory,
  };
}

function startMemory(scene: Scene, start: RunStart): RunMemory {
  const members = startMembers(scene, start);
  const points = members.map(({ point }) => point);
  const { layout } = scene;
  const gaussian =
    start.warmTrials === undefined
      ? startGaussian(Float64Array.from(start.start ?? []), start.sigma)
      : warmStart(
          points.map((point) => axesOf(layout, point)),
          start.sigma,
        );
  return { start, steps: [{ members, state: startFold(layout, gaussian, start.population) }] };
}

function startMembers(scene: Scene, start: RunStart): readonly Member[] {
  if (start.warmTrials === undefined) return [{ point: start.start ?? [], foreign: false }];
  return start.warmTrials.map((number) => ({ point: pointOf(scene, trialAt(scene, number)), foreign: true }));
}

/** In the middle of the cube; where trials of others are known, at the best tenth of them, the narrower the more there are. */
function firstStart({ layout, context, settings }: Scene): RunStart {
  const { population, sigma } = settings;
  const known = settings.others
    ? context.trials.filter((trial) => lossesOf(trial, directionsOf(context)) !== undefined)
    : [];
  const n = layout.axes.length;
  if (known.length === 0 || n === 0)
    return { population, sigma, start: new Array<number>(n).fill(0.5), regime: "large" };
  const best = rankTrials(known, context).slice(0, Math.max(1, Math.floor(known.length / 10)));
  return {
    population,
    sigma: Math.min(sigma, Math.max(0.1, sigma * known.length ** (-1 / n))),
    warmTrials: best.map(({ number }) => number),
    regime: "large",
  };
}

const directionsOf = ({ direction, directions }: SuggestContext) => directions ?? [direction];

/** The run's states, from memory as far as it was made of the same points. */
function followRun(scene: Scene, run: Run, memory: RunMemory | undefined): RunMemory {
  const { start } = run;
  const same =
    memory !== undefined &&
    memory.start.population === start.population &&
    memory.start.sigma === start.sigma &&
    (memory.start.warmTrials === undefined) === (start.warmTrials === undefined) &&
    sameMembers(memory.steps[0]?.members ?? [], startMembers(scene, start));
  const followed = same ? { start, steps: memory.steps } : startMemory(scene, start);
  for (const [index, numbers] of run.learned.entries()) {
    const members = membersOf(scene, run, numbers, index);
    const known = followed.steps[index + 1];
    if (known !== undefined && sameMembers(known.members, members)) continue;
    followed.steps.length = index + 1;
    const state = foldGeneration(scene.layout, stateOf(followed), members, {
      population: start.population,
      adaptRates: scene.settings.adaptRates,
    });
    followed.steps.push({ members, state });
  }
  followed.steps.length = run.learned.length + 1;
  return followed;
}

function membersOf(scene: Scene, run: Run, numbers: readonly number[], generation: number): readonly Member[] {
  return numbers.map((number) => {
    const trial = trialAt(scene, number);
    const { explanation } = trial;
    const own = explanation["sampler"] === "cma-es" && explanation["run"] === run.index;
    return { point: pointOf(scene, trial), foreign: !own || explanation["generation"] !== generation };
  });
}

function trialAt({ context: { trials } }: Scene, number: number): Trial {
  const trial = trials[number]?.number === number ? trials[number] : trials.find((other) => other.number === number);
  if (trial === undefined) throw new RangeError(`CMA-ES learned from trial ${number}, which is not among the study's.`);
  return trial;
}

function pointOf({ encoding, layout }: Scene, { explanation, params }: Trial): ArrayLike<number> {
  const { sampler, point } = explanation;
  return sampler === "cma-es" && Array.isArray(point) && point.length === layout.dimensions
    ? (point as readonly number[])
    : encoding.encode(params);
}

/** The numbers of the trials that the run's generation is learned from, best first, once there are enough. */
function closeGeneration(
  { context, settings, layout }: Scene,
  runs: readonly Run[],
  run: Run,
): readonly number[] | "all failed" | undefined {
  const used = new Set(run.learned.flat());
  const free = run.own.filter(({ trial }) => !used.has(trial.number));
  const usable = free.filter(({ trial }) => isUsable(trial, settings)).map(({ trial }) => trial);
  const failed = free.filter(({ trial, generation }) => generation === run.learned.length && trial.state === "failed");
  const { population } = run.start;
  // Chance failures tell nothing of the place; where half of a generation's trials fail, the place is bad.
  const counted = failed.slice(population).map(({ trial }: OwnTrial) => trial);
  if (usable.length + counted.length < population) return undefined;
  if (usable.length < 2) return "all failed";
  const elite = settings.others ? bestOther(context, runs, used) : undefined;
  const ranked = rankTrials([...usable, ...counted], context);
  const joined = elite !== undefined && layout.axes.length > 0 ? rankTrials([elite, ...ranked], context) : ranked;
  return (joined[0] === elite ? joined : ranked).map(({ number }) => number);
}

const isUsable = (trial: Trial, { pruned }: EvolutionSettings): boolean =>
  trial.state === "completed" || (trial.state === "pruned" && pruned === "ranked");

/** The best completed trial that no run suggested or learned from yet. */
function bestOther(context: SuggestContext, runs: readonly Run[], used: ReadonlySet<number>): Trial | undefined {
  const own = new Set(
    runs.flatMap((run) => [...run.own.map(({ trial }) => trial.number), ...(run.start.warmTrials ?? [])]),
  );
  const others = context.trials.filter(
    ({ number, state }) => state === "completed" && !own.has(number) && !used.has(number),
  );
  return rankTrials(others, context)[0];
}

function stopRules(scene: Scene, run: Run, learned: readonly (readonly number[])[]) {
  const directions = directionsOf(scene.context);
  const ranges = learned.flatMap((numbers): readonly (readonly [number, number])[] => {
    const losses = numbers.flatMap((number) => lossesOf(trialAt(scene, number), directions)?.slice(0, 1) ?? []);
    return losses.length === numbers.length ? [[Math.min(...losses), Math.max(...losses)]] : [];
  });
  const [first, ...rest] = (learned.at(-1) ?? []).map((number) => JSON.stringify(trialAt(scene, number).params));
  return {
    ranges: directions.length === 1 ? ranges : [],
    population: run.start.population,
    continuous: scene.layout.continuous,
    uniform: rest.every((text) => text === first),
  };
}
