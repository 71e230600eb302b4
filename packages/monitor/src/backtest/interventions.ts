import { abortable, type CallOptions } from "@millwright/contracts";
import type { AlertControl } from "../alerts/alert-control.ts";
import { backtestInvalid } from "../errors.ts";

/** What somebody does at a moment of the replay, as in live operation: accepts a drift, silences or acknowledges alerts. */
export interface RuleIntervention {
  /** After all that came before it, and before the evaluation of that time; UTC milliseconds. */
  readonly atMs: number;
  /** Such as `() => memory.accept("main", sinceMs)` for a memory that the setup made. It is waited for, and ends the backtest where it throws. */
  readonly act: (alerting: AlertControl, options: CallOptions) => unknown;
}

export interface Interventions {
  /** Does what is to be done until then. */
  until(timeMs: number): Promise<void>;
  /** Throws `MONITOR_BACKTEST_INVALID` where something is left to do. */
  finish(): void;
}

export interface InterventionSite {
  readonly alerting: AlertControl;
  /** Counts what came before, and moves the clock to the time. */
  readonly arrive: (timeMs: number) => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** Throws `MONITOR_BACKTEST_INVALID`. */
export function createInterventions(
  given: readonly RuleIntervention[],
  { alerting, arrive, signal }: InterventionSite,
): Interventions {
  for (const { atMs, act } of given)
    if (!Number.isFinite(atMs) || typeof act !== "function")
      throw backtestInvalid("an intervention needs a time, atMs, and something to do then, act");
  const todo = given.toSorted((a, b) => a.atMs - b.atMs);
  return {
    async until(timeMs) {
      for (let next = todo[0]; next !== undefined && next.atMs <= timeMs; next = todo[0]) {
        todo.shift();
        await arrive(next.atMs);
        await abortable(Promise.resolve(next.act(alerting, { signal })), signal);
      }
    },
    finish() {
      const [left] = todo;
      if (left !== undefined)
        throw backtestInvalid(`an intervention is to be made at ${left.atMs}, after the last evaluation`);
    },
  };
}
