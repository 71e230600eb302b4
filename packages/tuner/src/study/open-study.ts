import { type Clock, type LeaseStore, abortable, closed, createIdSource, systemClock } from "@millwright/contracts";
import { openLeaseStore } from "@millwright/storage";
import { openMemoryStudyJournal } from "../drivers/memory.ts";
import { openSqlStudyJournal } from "../drivers/sql.ts";
import { studyBusy, studyEmpty, studyExhausted } from "../errors.ts";
import {
  checkBudgetOptions,
  costPerSecondOf,
  openTrialWallet,
  outsideBudgetOf,
  studyBudgetOf,
} from "../execute/trial-wallet.ts";
import type { StudyJournal } from "../journal.ts";
import { optimize } from "../optimize.ts";
import { paretoFront } from "../multi/front.ts";
import { bestTrial } from "../outcome.ts";
import { medianPruner } from "../pruners/median.ts";
import { autoSampler } from "../samplers/auto.ts";
import type { Params, Space } from "../space.ts";
import { type StudyEngine, createStudyEngine } from "../study-engine.ts";
import type { AskOptions, BestTrial, FrontTrialOf, StudyOf, StudyOptions } from "../study.ts";
import type { Direction, Trial } from "../trial.ts";
import { type StudyTrial, createTrialHandle } from "../trial-handle.ts";
import { type WorkerLease, openWorkerLease } from "../worker-lease.ts";
import { withPrior } from "../warm-start-sampler.ts";
import { checkStopWhen } from "./completion.ts";
import { duplicatePolicies } from "./duplicates.ts";
import { checkOnFailure } from "./failures.ts";
import { type NoisePolicy, noisePolicy, noisyBest } from "./noise.ts";
import type { OpenTrial } from "./run-trial.ts";
import { createUnwritten } from "./unwritten.ts";

/** What studies with a fixed space and without one differ in. */
export interface StudyKind<Handle> {
  readonly space: Space;
  readonly dynamic: boolean;
  readonly openTrial: (engine: StudyEngine, base: StudyTrial<Space>, trial: Trial) => OpenTrial<Handle>;
}

export async function openAnyStudy<P, F, Handle>(
  options: StudyOptions<Space>,
  kind: StudyKind<Handle>,
  checkSpace: () => void,
): Promise<StudyOf<P, F, Handle>> {
  const { name, clock = systemClock, leaseMs = 30_000 } = options;
  checkOptions(options);
  checkSpace();
  const noise = options.noise === undefined ? undefined : noisePolicy(options.noise);
  const { engine, lease } = await openEngine(options, kind, noise);
  const closing = createClosing(name);
  const unwritten = createUnwritten();
  const openTrial = (base: StudyTrial<Space>, trial: Trial): OpenTrial<Handle> => kind.openTrial(engine, base, trial);
  const study: Omit<StudyOf<P, F, Handle>, "close" | typeof Symbol.asyncDispose> = {
    name,
    direction: engine.directions[0] as Direction,
    directions: engine.directions,
    ask: async (call = {}) => openTrial(...(await askTrial(engine, clock, call))).handle,
    async tell(trial, result, call = {}) {
      await engine.end(trial, result, { signal: call.signal });
    },
    enqueue: (params, { signal: putting, ...rest } = {}) =>
      engine.enqueue({ params: params as Params, ...rest }, putting),
    add: (trial, call = {}) => engine.add({ ...trial, params: trial.params as Params }, call.signal),
    optimize: (objective, { fixed, ...settings }) =>
      closing.during(
        optimize<Handle & StudyTrial<Space>>(engine, objective as never, {
          ...settings,
          fixed: fixed as Params | undefined,
          stopWhen: settings.stopWhen ?? options.stopWhen,
          ...outsideBudgetOf(options),
          costPerSecond: costPerSecondOf(options),
          clock,
          unwritten,
          openTrial: openTrial as never,
          closed: closing.signal,
          pollMs: Math.min(1_000, leaseMs / 3),
        }),
      ),
    trials: (call = {}) => engine.trials(call.signal),
    history: (call = {}) => engine.history(call.signal),
    best: async (call = {}) => bestOf<P>(engine, noise ?? repeatsOf(options), await engine.trials(call.signal)),
    front: async (call = {}) =>
      paretoFront(await engine.trials(call.signal), engine.directions) as readonly FrontTrialOf<P>[],
    setAttributes: (attributes, call = {}) => engine.note(undefined, attributes, call.signal),
    attributes: (call = {}) => engine.attributes(call.signal),
  };
  const end = async (): Promise<void> => {
    await closing.close();
    // What cannot be written down now is found by the trial's next worker not to have been.
    await unwritten.flush(engine).catch(() => {});
    await lease[Symbol.asyncDispose]();
  };
  return {
    ...closing.guarded(study),
    close: ({ signal } = {}) => abortable(end(), signal),
    [Symbol.asyncDispose]: end,
  };
}

interface Closing {
  readonly signal: AbortSignal;
  /** Has `close` wait for the work. */
  during<Result>(work: Promise<Result>): Promise<Result>;
  close(): Promise<void>;
  /** The same methods; once closed they reject. */
  guarded<Methods extends object>(methods: Methods): Methods;
}

function createClosing(name: string): Closing {
  const controller = new AbortController();
  const running = new Set<Promise<unknown>>();
  return {
    signal: controller.signal,
    during(work) {
      running.add(work);
      const done = (): boolean => running.delete(work);
      work.then(done, done);
      return work;
    },
    async close() {
      controller.abort(closed(`The study "${name}"`));
      await Promise.allSettled(running);
    },
    guarded: (methods) =>
      Object.fromEntries(
        Object.entries(methods).map(([key, value]: [string, unknown]) => [
          key,
          typeof value === "function"
            ? async (...args: readonly unknown[]) => {
                controller.signal.throwIfAborted();
                return (value as (...given: readonly unknown[]) => unknown)(...args);
              }
            : value,
        ]),
      ) as typeof methods,
  };
}

async function askTrial(
  engine: StudyEngine,
  clock: Clock,
  { trials: limit, stopWhen, fixed, signal }: AskOptions,
): Promise<[StudyTrial<Space>, Trial]> {
  checkStopWhen(stopWhen, engine.directions.length);
  if (limit !== undefined && !(limit >= 0))
    throw new RangeError(`trials is ${String(limit)}; it must be a number from 0.`);
  if (fixed !== undefined) await engine.checkFixed(fixed as Params, signal);
  for (;;) {
    const begun = await engine.begin({ limit, stopWhen, fixed: fixed as Params | undefined }, signal);
    if ("stop" in begun && begun.stop.error !== undefined) throw begun.stop.error;
    if ("stop" in begun) throw studyExhausted(engine.name, begun.stop.reason);
    if ("wait" in begun) throw studyBusy(engine.name);
    if (!("trial" in begun)) continue;
    const { trial } = begun;
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const wallet = openTrialWallet({ engine, trial, settings: { clock }, reservation: undefined, stop });
    return [createTrialHandle<Space>(engine, trial, { signal: either, wallet }), trial];
  }
}

/** Duplicates that are evaluated again count together. */
function repeatsOf({ duplicates }: StudyOptions<Space>): NoisePolicy | undefined {
  if (duplicates !== "re-evaluate-for-noise") return undefined;
  return { ...noisePolicy({ retest: false }), repeats: Infinity };
}

function bestOf<P>(engine: StudyEngine, noise: NoisePolicy | undefined, trials: readonly Trial[]): BestTrial<P> {
  const direction = engine.directions[0] as Direction;
  const noisy = noise === undefined ? undefined : noisyBest(noise, trials, direction);
  if (noisy !== undefined) {
    const { number, value, bound, evaluations } = noisy;
    const first = trials[number] as Trial;
    return { ...first, params: first.params as P, value, bound, evaluations };
  }
  const best = bestTrial(trials, direction);
  const value = best?.values?.[0];
  if (best === undefined || value === undefined) throw studyEmpty(engine.name);
  return { ...best, value, params: best.params as P };
}

interface OpenEngine {
  readonly engine: StudyEngine;
  readonly lease: WorkerLease;
}

async function openEngine<Handle>(
  options: StudyOptions<Space>,
  { space, dynamic }: StudyKind<Handle>,
  noise: NoisePolicy | undefined,
): Promise<OpenEngine> {
  const { name, database, clock = systemClock, leaseMs = 30_000, signal } = options;
  const directions = options.directions ?? [options.direction as Direction];
  const sampler = withPrior({ ...options, direction: directions[0] as Direction }, options.sampler ?? autoSampler());
  const worker = createIdSource(clock).next();
  const journal: StudyJournal =
    database === undefined
      ? openMemoryStudyJournal({ events: options.events })
      : await openSqlStudyJournal(database, { signal });
  const leases: LeaseStore | undefined = database === undefined ? undefined : openLeaseStore(database, { clock });
  const lease: WorkerLease = await openWorkerLease({ study: name, worker, leases, leaseMs, clock, signal });
  const opening = createStudyEngine({
    name,
    space,
    dynamic,
    journal,
    lease,
    clock,
    worker,
    signal,
    noise,
    budget: studyBudgetOf(options),
    directions,
    constraints: options.constraints ?? [],
    seed: options.seed ?? 0,
    sampler,
    pruner: options.pruner === false ? undefined : (options.pruner ?? medianPruner()),
    duplicates: options.duplicates ?? "allow",
    stopWhen: options.stopWhen ?? {},
    onFailure: options.onFailure,
    maxRetries: options.maxRetries ?? 2,
    maxAttempts: options.maxAttempts ?? 10,
  });
  const engine = await opening.catch(async (error: unknown) => {
    await lease[Symbol.asyncDispose]();
    throw error;
  });
  return { engine, lease };
}

/** Throws TypeError and RangeError. */
function checkOptions(options: StudyOptions<Space>): void {
  const { name, direction, directions, seed = 0, leaseMs = 30_000, duplicates = "allow" } = options;
  const { maxRetries = 2, maxAttempts = 10 } = options;
  if (typeof name !== "string" || name === "") throw new TypeError("A study needs a name: a text that is not empty.");
  if (direction !== undefined && directions !== undefined)
    throw new TypeError(`The study "${name}" has both a direction and directions; give one of them.`);
  const all = directions ?? [direction];
  if (!Array.isArray(all) || all.length === 0)
    throw new TypeError(`The directions of the study "${name}" must be a list that is not empty.`);
  if (!(all as readonly unknown[]).every((one) => one === "minimize" || one === "maximize"))
    throw new RangeError(`The direction of the study "${name}" must be minimize or maximize.`);
  const whole = (option: string, value: number, least: number): void => {
    if (!Number.isSafeInteger(value) || value < least)
      throw new RangeError(`${option} of the study "${name}" must be a whole number from ${least}.`);
  };
  if (!Number.isSafeInteger(seed)) throw new RangeError(`The seed of the study "${name}" must be a whole number.`);
  whole("maxRetries", maxRetries, 0);
  whole("maxAttempts", maxAttempts, 1);
  if (typeof leaseMs !== "number" || !(leaseMs > 0))
    throw new RangeError(`leaseMs of the study "${name}" must be a number above 0.`);
  if (!duplicatePolicies.includes(duplicates))
    throw new RangeError(`duplicates of the study "${name}" must be one of ${duplicatePolicies.join(", ")}.`);
  if (options.noise !== undefined && all.length > 1)
    throw new RangeError(`The study "${name}" is noisy and has several objectives; noise needs one.`);
  checkBudgetOptions(options);
  checkStopWhen(options.stopWhen, all.length);
  checkOnFailure(options.onFailure);
}
