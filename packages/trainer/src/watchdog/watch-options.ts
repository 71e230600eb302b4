import { inputInvalid } from "../errors.ts";
import type { StartOptions } from "../start-options.ts";
import type { HangLimits } from "./hang-judge.ts";
import type { LeakOptions } from "./leak-watch.ts";

export interface LeakWatching extends LeakOptions {
  /**
   * What is done where something grows, besides telling of it (`run.leak-suspected`): nothing (`"warn"`); what the process holds is written into the
   * run's `diagnostics` (`"snapshot"`); the process ends at a checkpoint and another goes on from it, as long as there are retries (`"recycle"`).
   * Default: `"warn"`.
   */
  readonly action?: "warn" | "snapshot" | "recycle" | undefined;
}

export interface HangWatching {
  /** How long nothing at all may happen, in milliseconds. Default: 1,800,000, as SageMaker's StalledTraining. */
  readonly afterMs?: number | undefined;
  /** A step that takes longer than so many times the median of the newest 100, and 1,000 ms, is told of. Default: 10. */
  readonly stragglerFactor?: number | undefined;
  /**
   * What is done after `afterMs`, besides telling of it and writing what the process was doing into the run's `diagnostics`: nothing (`"warn"`); the
   * run fails with `TRAINER_RUN_STALLED` (`"fail"`); it goes on from its last checkpoint as long as there are retries (`"restart"`). Default: `"restart"`.
   */
  readonly policy?: "warn" | "fail" | "restart" | undefined;
}

/** What a run's process is told of how it is watched. */
export interface RunWatching {
  readonly leaks: (LeakWatching & { readonly retries: number }) | null;
  readonly hangs: { readonly limits: HangLimits; readonly policy: "warn" | "fail" | "restart" } | null;
}

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkWatching(leaks: LeakWatching | false, hangs: HangWatching | false): void {
  const check = (field: string, value: number | undefined, least: number): void => {
    if (value !== undefined && !(value >= least && Number.isFinite(value)))
      throw inputInvalid(field, value, `a finite number from ${least}`);
  };
  const oneOf = (field: string, value: string | undefined, known: readonly string[]): void => {
    if (value !== undefined && !known.includes(value)) throw inputInvalid(field, value, `one of ${known.join(", ")}`);
  };
  if (leaks !== false) {
    check("leaks.warmupSteps", leaks.warmupSteps, 0);
    check("leaks.minGrowthBytes", leaks.minGrowthBytes, 1);
    check("leaks.minGrowthTensors", leaks.minGrowthTensors, 1);
    oneOf("leaks.action", leaks.action, ["warn", "snapshot", "recycle"]);
  }
  if (hangs !== false) {
    check("hangs.afterMs", hangs.afterMs, 1);
    check("hangs.stragglerFactor", hangs.stragglerFactor, 1);
    oneOf("hangs.policy", hangs.policy, ["warn", "fail", "restart"]);
  }
}

export function watchingOf({ leaks = {}, hangs = {}, limits, retries = 2 }: StartOptions): RunWatching {
  const max = typeof retries === "number" ? retries : retries.max;
  // Written down before the supervisor takes the process for hung, and kills it.
  const blockedMs = 0.75 * (limits?.heartbeatTimeoutMs ?? 60_000);
  return {
    leaks: leaks === false ? null : { ...leaks, retries: max },
    hangs:
      hangs === false
        ? null
        : {
            policy: hangs.policy ?? "restart",
            limits: {
              afterMs: hangs.afterMs ?? 1_800_000,
              blockedMs,
              stragglerFactor: hangs.stragglerFactor ?? 10,
              stragglerMinMs: 1_000,
            },
          },
  };
}
