import { setImmediate } from "node:timers/promises";
import type { Amount, Budget, Clock } from "@millwright/contracts";
import type { Space } from "./space.ts";
import type { StudyEngine } from "./study-engine.ts";
import { type Objective, runTrial } from "./study/run-trial.ts";
import type { Trial } from "./trial.ts";

export interface OptimizeOptions {
  /**
   * So many trials in the whole study, those of earlier calls, restarts and other workers included. The last ones of other workers are waited for,
   * and begun again here where their worker died. From 0; `Infinity` where only time or budget ends the search.
   */
  readonly trials: number;
  /** Trials at a time, from 1 to 10,000. Default: 1. */
  readonly parallelism?: number | undefined;
  /** From 0. After this no trial begins, and running ones are aborted and wait for the next call. Default: none. */
  readonly timeLimitMs?: number | undefined;
  /** Gives up after so many trials failed in a row, from 1, rejecting with the last error. Default: 5. */
  readonly failuresInARow?: number | undefined;
  /** Running trials are aborted and wait to be begun again; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each trial ends. */
  readonly onTrial?: ((trial: Trial) => void) | undefined;
}

export interface StudySummary {
  /** Why it ended. */
  readonly stopped: "trials" | "time" | "budget";
  readonly completed: number;
  readonly pruned: number;
  readonly failed: number;
}

interface Settings extends OptimizeOptions {
  readonly budget: Budget | undefined;
  readonly trialCost: Amount | undefined;
  readonly clock: Clock;
  /** Time between two looks at trials that other workers have under way. */
  readonly pollMs: number;
}

/** More trials at a time than a process can have under way. */
const mostAtATime = 10_000;

/** Runs trials side by side until a limit is met. */
export async function optimize<S extends Space>(
  engine: StudyEngine,
  objective: Objective<S>,
  settings: Settings,
): Promise<StudySummary> {
  const { parallelism = 1, timeLimitMs, failuresInARow = 5, signal, clock, pollMs } = settings;
  signal?.throwIfAborted();
  checkSettings(objective, settings);
  const stop = new AbortController();
  const running = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let stopped: StudySummary["stopped"] | undefined;
  let failures = 0;
  const finished = new AbortController();
  const timeIsUp = (): void => {
    stopped ??= "time";
    stop.abort(new DOMException(`The time limit of ${timeLimitMs} ms is over.`, "TimeoutError"));
  };
  if (timeLimitMs !== undefined) clock.sleep(timeLimitMs, { signal: finished.signal }).then(timeIsUp, () => {});
  const bell = createBell(clock, pollMs, running);
  const work = async (): Promise<void> => {
    while (stopped === undefined && !running.aborted) {
      // An objective that never waits would let no timer and no listener have its turn: neither time limit nor abort would come.
      await setImmediate();
      if (running.aborted) return;
      const end = await runTrial<S>(engine, objective, settings, running);
      if (end === "trials" && (await engine.runningElsewhere())) {
        await bell.wait();
        continue;
      }
      if (typeof end === "string") {
        stopped ??= end;
        return;
      }
      bell.ring();
      failures = end.failed === undefined ? 0 : failures + 1;
      if (end.failed !== undefined && failures >= failuresInARow) throw end.failed;
    }
  };
  try {
    const settled = await Promise.allSettled(
      Array.from({ length: parallelism }, () =>
        work().catch((error: unknown) => {
          stop.abort(error);
          throw error;
        }),
      ),
    );
    signal?.throwIfAborted();
    const rejected = settled.find((result) => result.status === "rejected");
    if (rejected !== undefined) throw rejected.reason;
  } finally {
    finished.abort();
  }
  const count = countStates(await engine.trials());
  return {
    stopped: stopped ?? "trials",
    completed: count("completed"),
    pruned: count("pruned"),
    failed: count("failed"),
  };
}

/** `wait` lasts until it rings: when a trial of this process ended. Trials of others are looked for after `pollMs`. */
function createBell(clock: Clock, pollMs: number, stopped: AbortSignal): { wait(): Promise<void>; ring(): void } {
  let rung = new AbortController();
  return {
    wait: () => clock.sleep(pollMs, { signal: AbortSignal.any([stopped, rung.signal]) }).catch(() => {}),
    ring() {
      rung.abort();
      rung = new AbortController();
    },
  };
}

/** Throws TypeError for an objective that is no function, RangeError for numbers that no search can keep to. */
function checkSettings<S extends Space>(objective: Objective<S>, settings: Settings): void {
  const { trials, parallelism = 1, timeLimitMs = 0, failuresInARow = 5 } = settings;
  if (typeof objective !== "function") throw new TypeError(`The objective is ${typeof objective}, not a function.`);
  if (!(trials >= 0)) throw new RangeError(`trials is ${String(trials)}; it must be a number from 0.`);
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > mostAtATime)
    throw new RangeError(`parallelism is ${String(parallelism)}; it must be a whole number from 1 to ${mostAtATime}.`);
  if (!(timeLimitMs >= 0)) throw new RangeError(`timeLimitMs is ${String(timeLimitMs)}; it must be a number from 0.`);
  if (!(failuresInARow >= 1))
    throw new RangeError(`failuresInARow is ${String(failuresInARow)}; it must be a number from 1.`);
}

const countStates =
  (trials: readonly Trial[]) =>
  (state: Trial["state"]): number =>
    trials.filter((trial) => trial.state === state).length;
