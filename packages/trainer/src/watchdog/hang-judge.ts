import type { PulseReading } from "./pulse.ts";

/** `hang`: nothing has happened for `afterMs`; `blocked`: the event loop stands still; `straggler`: a step takes much longer than others. */
export type HangKind = "hang" | "blocked" | "straggler";

export interface HangLimits {
  readonly afterMs: number;
  readonly blockedMs: number;
  /** Of the median of the newest steps. */
  readonly stragglerFactor: number;
  /** Least duration of a step that is a straggler. */
  readonly stragglerMinMs: number;
}

/** What was seen last, and since when. */
export interface HangState {
  readonly beats: number;
  readonly beatMs: number;
  readonly turns: number;
  readonly turnMs: number;
  readonly step: number;
  readonly stepMs: number;
  /** What has been said of this standstill. */
  readonly told: readonly HangKind[];
}

export interface HangFinding {
  readonly standstill: HangKind;
  /** How long. */
  readonly idleMs: number;
}

/** Whether a training stands still, as of a reading of its pulse. Pure. */
export function judgeHang(
  state: HangState | undefined,
  pulse: PulseReading,
  nowMs: number,
  limits: HangLimits,
): { readonly state: HangState; readonly finding?: HangFinding | undefined } {
  const { beats, turns, step } = pulse;
  const moved = state === undefined || pulse.waiting || beats !== state.beats || step !== state.step;
  const next: HangState = {
    beats,
    beatMs: moved ? nowMs : state.beatMs,
    turns,
    turnMs: state === undefined || turns !== state.turns ? nowMs : state.turnMs,
    step,
    stepMs: state === undefined || step !== state.step ? nowMs : state.stepMs,
    told:
      state === undefined || step !== state.step
        ? []
        : moved
          ? state.told.filter((kind) => kind === "straggler")
          : state.told,
  };
  const find = (kind: HangKind, idleMs: number, limitMs: number): HangFinding | undefined =>
    idleMs >= limitMs && !next.told.includes(kind) ? { standstill: kind, idleMs } : undefined;
  const finding =
    find("hang", nowMs - next.beatMs, limits.afterMs) ??
    find("blocked", nowMs - next.turnMs, limits.blockedMs) ??
    (pulse.medianMs > 0 && isStepping(pulse)
      ? find("straggler", nowMs - next.stepMs, Math.max(limits.stragglerMinMs, limits.stragglerFactor * pulse.medianMs))
      : undefined);
  return finding === undefined
    ? { state: next }
    : { state: { ...next, told: [...next.told, finding.standstill] }, finding };
}

/** Validation and checkpoints come between steps, and take the time they take. */
const isStepping = ({ phase, callback }: PulseReading): boolean =>
  callback?.hook.startsWith("onBatch") === true ||
  (callback === undefined && phase !== undefined && !["validation", "checkpoint"].includes(phase));
