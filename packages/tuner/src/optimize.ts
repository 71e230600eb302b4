import { setMaxListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import type { TrialResources, TrialSlot, TrialSlots } from "./execute/trial-slots.ts";
import type { Params, Space } from "./space.ts";
import type { StudyEngine } from "./study-engine.ts";
import type { Stop } from "./study/begin.ts";
import { type StopWhen, checkStopWhen } from "./study/completion.ts";
import type { ObjectiveOf } from "./study/objective.ts";
import { type Progress, createProgress } from "./study/progress.ts";
import { type RunSettings, type TrialEnd, runTrial } from "./study/run-trial.ts";
import { createWake, sleepUntil } from "./study/wake.ts";
import type { Trial } from "./trial.ts";
import type { StudyTrial } from "./trial-handle.ts";

export interface OptimizeOptions<FixedParams = Params> {
  /**
   * So many trials in the whole study, those of earlier calls, restarts and other workers included. The last ones of other workers are waited for,
   * and begun again here where their worker died. From 0; `Infinity` where only time, budget or `stopWhen` ends the search.
   */
  readonly trials: number;
  /** Trials at a time, from 1 to 10,000. Default: 1. */
  readonly parallelism?: number | undefined;
  /** From 0. After this no trial begins, and running ones are aborted and wait for the next call. Default: none. */
  readonly timeLimitMs?: number | undefined;
  /** In place of the study's own. */
  readonly stopWhen?: StopWhen | undefined;
  /** A trial that takes longer, milliseconds above 0, is aborted and fails as `timeout`. Default: none. */
  readonly trialTimeoutMs?: number | undefined;
  /** Values that all trials of this call have; the sampler gives the others. Default: none. */
  readonly fixed?: FixedParams | undefined;
  /** Gives up after so many trials failed in a row, from 1, rejecting with the last error. Default: 5. */
  readonly failuresInARow?: number | undefined;
  /** Running trials are aborted and wait to be begun again; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** What trials of several studies take turns in; each waits for what `resources` says before it begins. Default: nothing is waited for. */
  readonly slots?: TrialSlots | undefined;
  /** What each trial has for itself in the slots. Default: `{ cpus: 1 }`. */
  readonly resources?: TrialResources | undefined;
  /** The study's share of the slots, beside that of others. Default: 1. */
  readonly weight?: number | undefined;
  /** Called after each trial ends. */
  readonly onTrial?: ((trial: Trial) => void) | undefined;
  /** Called after each trial ends. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface StudySummary {
  /**
   * Why it ended: the number of trials, the time limit of the call, the budget; all points of the space were tried; or a criterion of `stopWhen`.
   */
  readonly stopped: Stop["stopped"] | "time" | "budget";
  /** A sentence with the numbers. */
  readonly reason: string;
  readonly completed: number;
  readonly pruned: number;
  readonly failed: number;
}

export interface OptimizeSettings<Handle> extends OptimizeOptions, Omit<RunSettings<Handle>, keyof OptimizeOptions> {
  /** Time between two looks at trials that other workers have under way. */
  readonly pollMs: number;
  /** Aborts when the study is closed. */
  readonly closed: AbortSignal;
}

/** More trials at a time than a process can have under way. */
const mostAtATime = 10_000;

type Reason = Pick<StudySummary, "stopped" | "reason">;

/** Runs trials side by side until a limit is met. */
export async function optimize<Handle extends StudyTrial<Space>>(
  engine: StudyEngine,
  objective: ObjectiveOf<Handle>,
  settings: OptimizeSettings<Handle>,
): Promise<StudySummary> {
  const { parallelism = 1, signal, closed, unwritten } = settings;
  signal?.throwIfAborted();
  closed.throwIfAborted();
  checkSettings(objective, settings, engine.directions.length);
  if (settings.fixed !== undefined) await engine.checkFixed(settings.fixed, signal);
  await unwritten.flush(engine);
  const reason = await searchUntilStopped(engine, objective, settings, parallelism);
  signal?.throwIfAborted();
  closed.throwIfAborted();
  const count = countStates(await engine.trials());
  return { ...reason, completed: count("completed"), pruned: count("pruned"), failed: count("failed") };
}

async function searchUntilStopped<Handle extends StudyTrial<Space>>(
  engine: StudyEngine,
  objective: ObjectiveOf<Handle>,
  settings: OptimizeSettings<Handle>,
  parallelism: number,
): Promise<Reason> {
  const { signal, closed, failuresInARow = 5, clock, pollMs } = settings;
  const stop = new AbortController();
  const running = AbortSignal.any([stop.signal, closed, ...(signal === undefined ? [] : [signal])]);
  // Each of the trials at a time listens.
  setMaxListeners(0, running);
  let reason: Reason | undefined;
  const finished = new AbortController();
  startTimers(engine, settings, finished.signal, (why) => {
    reason ??= why;
    stop.abort(new DOMException(why.reason, "TimeoutError"));
  });
  const wake = createWake();
  const told = tellProgress(engine, settings);
  let failures = 0;
  const work = async (): Promise<void> => {
    while (reason === undefined && !running.aborted) {
      // An objective that never waits would let no timer and no listener have its turn: neither time limit nor abort would come.
      await setImmediate();
      if (running.aborted) return;
      const woken = wake.next;
      const end = await runInSlot<Handle>(engine, objective, told, running);
      const isWaiting = "wait" in end || ("stop" in end && (await mayGoOn(engine, end)));
      if (isWaiting) await sleepUntil(clock, pollMs, [running, woken]);
      else if ("stop" in end) {
        reason ??= { stopped: end.stop.stopped, reason: end.stop.reason };
        wake.now();
      } else if ("failed" in end) {
        wake.now();
        failures = end.failed === undefined ? 0 : failures + 1;
        if (end.failed !== undefined && failures >= failuresInARow) throw end.failed;
      }
    }
  };
  const worker = (): Promise<void> =>
    work().catch((error: unknown) => {
      stop.abort(error);
      throw error;
    });
  try {
    const settled = await Promise.allSettled(Array.from({ length: parallelism }, worker));
    const rejected = settled.find((result) => result.status === "rejected");
    if (rejected !== undefined && signal?.aborted !== true && !closed.aborted) throw rejected.reason;
  } finally {
    finished.abort();
  }
  return reason ?? { stopped: "trials", reason: "" };
}

/** Runs one trial, in a slot where trials share them. */
async function runInSlot<Handle extends StudyTrial<Space>>(
  engine: StudyEngine,
  objective: ObjectiveOf<Handle>,
  settings: OptimizeSettings<Handle>,
  running: AbortSignal,
): Promise<TrialEnd> {
  const { slots, resources, weight } = settings;
  let slot: TrialSlot | undefined;
  try {
    slot = await slots?.share(engine.name, { weight }).acquire(resources, { signal: running });
  } catch (error) {
    if (running.aborted) return { failed: undefined };
    throw error;
  }
  try {
    return await runTrial<Handle>(engine, objective, settings, running);
  } finally {
    slot?.release();
  }
}

/** Trials that others have under way may come back, to be begun here. */
async function mayGoOn(engine: StudyEngine, { stop }: Extract<TrialEnd, { stop: unknown }>): Promise<boolean> {
  // What is set aside for trials that still run may come back too.
  if (stop.stopped === "budget") return engine.state.running.size > 0;
  return (stop.stopped === "trials" || stop.stopped === "space") && (await engine.runningElsewhere());
}

/** Ends the search at its time limit, and where the time in which trials may run is over. */
function startTimers<Handle>(
  { state }: StudyEngine,
  { timeLimitMs, stopWhen, clock }: OptimizeSettings<Handle>,
  finished: AbortSignal,
  end: (reason: Reason) => void,
): void {
  const after = (ms: number, reason: Reason): void => {
    clock.sleep(ms, { signal: finished }).then(
      () => end(reason),
      () => {},
    );
  };
  if (timeLimitMs !== undefined)
    after(timeLimitMs, { stopped: "time", reason: `The time limit of ${timeLimitMs} ms is over.` });
  const { maxRuntimeMs } = stopWhen ?? {};
  if (maxRuntimeMs !== undefined && Number.isFinite(maxRuntimeMs))
    after(Math.max(0, maxRuntimeMs - state.runtimeMs), {
      stopped: "runtime",
      reason: `Trials ran for ${maxRuntimeMs} ms, the limit.`,
    });
}

/** The settings, with the caller's `onProgress` called after `onTrial`. */
function tellProgress<Handle>(engine: StudyEngine, settings: OptimizeSettings<Handle>): OptimizeSettings<Handle> {
  const { onProgress, onTrial, clock, trials, stopWhen } = settings;
  if (onProgress === undefined) return settings;
  const progress = createProgress(engine, clock, Math.min(trials, stopWhen?.maxTrials ?? Infinity));
  return {
    ...settings,
    onTrial: (trial) => {
      onTrial?.(trial);
      onProgress(progress());
    },
  };
}

/** Throws TypeError for an objective that is no function, RangeError for numbers that no search can keep to. */
function checkSettings<Handle>(objective: unknown, settings: OptimizeSettings<Handle>, objectives: number): void {
  const { trials, parallelism = 1, timeLimitMs = 0, failuresInARow = 5, trialTimeoutMs = 1 } = settings;
  if (typeof objective !== "function") throw new TypeError(`The objective is ${typeof objective}, not a function.`);
  if (!(trials >= 0)) throw new RangeError(`trials is ${String(trials)}; it must be a number from 0.`);
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > mostAtATime)
    throw new RangeError(`parallelism is ${String(parallelism)}; it must be a whole number from 1 to ${mostAtATime}.`);
  if (!(timeLimitMs >= 0)) throw new RangeError(`timeLimitMs is ${String(timeLimitMs)}; it must be a number from 0.`);
  if (!(failuresInARow >= 1))
    throw new RangeError(`failuresInARow is ${String(failuresInARow)}; it must be a number from 1.`);
  if (!(trialTimeoutMs > 0))
    throw new RangeError(`trialTimeoutMs is ${String(trialTimeoutMs)}; it must be a number above 0.`);
  checkStopWhen(settings.stopWhen, objectives);
}

const countStates =
  (trials: readonly Trial[]) =>
  (state: Trial["state"]): number =>
    trials.filter((trial) => trial.state === state).length;
