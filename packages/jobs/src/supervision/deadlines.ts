import type { Clock, JobHistory, JobSpec } from "@millwright/contracts";
import { jobTimes } from "./job-times.ts";

/** What ends a job before its work does. */
export interface Halt {
  readonly kind: "stop" | "interrupt" | "wall-time" | "wait-time";
  readonly reason: string;
}

export interface DeadlineSetting {
  readonly clock: Clock;
  history(): JobHistory;
  halt(halt: Halt): void;
  /** Aborts when the job is over. */
  readonly signal: AbortSignal;
}

/** Halts the job when a limit of its time is up: `limits.wallTimeMs`, `spot.maxRuntimeMs`, `spot.maxWaitMs`. */
export function watchDeadlines({ limits, spot }: Pick<JobSpec, "limits" | "spot">, setting: DeadlineSetting): void {
  const { clock, history } = setting;
  const sinceFirst = (states: readonly string[]) => (): number => {
    const first = history().find(({ state }) => states.includes(state));
    return first === undefined ? 0 : clock.nowMs() - first.timeMs;
  };
  watch(limits?.wallTimeMs, sinceFirst(["starting"]), setting, (limitMs) => ({
    kind: "wall-time",
    reason: `The job took longer than ${limitMs} ms.`,
  }));
  const running = (): number => {
    const { startingMs, trainingMs } = jobTimes(history(), { nowMs: clock.nowMs() });
    return startingMs + trainingMs;
  };
  watch(spot?.maxRuntimeMs, running, setting, (limitMs) => ({
    kind: "wall-time",
    reason: `The attempts of the job took longer than ${limitMs} ms together.`,
  }));
  watch(spot?.maxWaitMs, sinceFirst(["pending"]), setting, (limitMs) => ({
    kind: "wait-time",
    reason: `The job was not done ${limitMs} ms after its launch.`,
  }));
}

/** Sleeps for what is left, as often as time went by that does not count. */
function watch(
  limitMs: number | undefined,
  spentMs: () => number,
  { clock, halt, signal }: DeadlineSetting,
  haltOf: (limitMs: number) => Halt,
): void {
  if (limitMs === undefined) return;
  const wait = async (): Promise<void> => {
    for (let leftMs = limitMs - spentMs(); leftMs > 0; leftMs = limitMs - spentMs())
      await clock.sleep(Math.max(1, leftMs), { signal });
    if (!signal.aborted) halt(haltOf(limitMs));
  };
  wait().catch(() => {}); // the job was over first
}
