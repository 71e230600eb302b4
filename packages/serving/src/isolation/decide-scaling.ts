import {
  type PredictiveScaling,
  type ScalerState,
  type ScalingBounds,
  type ScalingDecision,
  type ScalingOptions,
  type ScalingPolicy,
  type ScalingSample,
  type StepScaling,
  type TargetTracking,
  checkScaling,
} from "./scaling-policy.ts";

const dayMs = 86_400_000;

/** The state of a scaler that begins with so many workers. */
export const startScaling = (workers: number): ScalerState => ({ workers, wanted: [], seen: {} });

/**
 * How many workers there shall be, from a sample and what was before: a pure function, so that the same decides in simulation and in earnest. A sample without the
 * metric of a policy leaves that policy out. Throws `RangeError` for options out of range.
 */
export function decideScaling(
  options: ScalingOptions,
  state: ScalerState,
  sample: ScalingSample,
): { readonly state: ScalerState; readonly decision: ScalingDecision } {
  checkScaling(options);
  const seen = remember(options.policies, state, sample);
  const bounds = boundsAt(options, sample.timeMs);
  const wishes = options.policies.flatMap((policy) => wishOf(policy, { ...state, seen }, sample));
  const best = wishes.reduce<Wish | undefined>(
    (most, wish) => (wish.workers > (most?.workers ?? -1) ? wish : most),
    undefined,
  );
  const wanted = clamp(best?.workers ?? state.workers, bounds);
  const history = [...state.wanted, { timeMs: sample.timeMs, workers: wanted }];
  const settled = settle({ options, policy: best?.policy, bounds, state, timeMs: sample.timeMs, wanted, history });
  const { workers } = settled;
  return {
    decision: {
      workers,
      wanted,
      reason: workers === state.workers ? settled.reason : `${best?.reason ?? "bounds"}: ${settled.reason}`,
    },
    state: {
      workers,
      lastOutMs: workers > state.workers ? sample.timeMs : state.lastOutMs,
      lastInMs: workers < state.workers ? sample.timeMs : state.lastInMs,
      wanted: recent(options, history, sample.timeMs),
      seen,
    },
  };
}

interface Wish {
  readonly workers: number;
  readonly reason: string;
  readonly policy: ScalingPolicy;
}

const clamp = (workers: number, { min, max }: ScalingBounds): number => Math.min(max, Math.max(min, workers));

function boundsAt({ min = 1, max, policies }: ScalingOptions, timeMs: number): ScalingBounds {
  const minute = Math.floor((((timeMs % dayMs) + dayMs) % dayMs) / 60_000);
  const entries = policies.flatMap((policy) => (policy.kind === "scheduled" ? policy.entries : []));
  let bounds: ScalingBounds = { min, max };
  for (const entry of entries) {
    const { daily, once } = entry;
    const during =
      daily === undefined
        ? once !== undefined && timeMs >= once.fromMs && timeMs < once.toMs
        : daily.fromMinute <= daily.toMinute
          ? minute >= daily.fromMinute && minute < daily.toMinute
          : minute >= daily.fromMinute || minute < daily.toMinute;
    if (during) bounds = { min: entry.min ?? bounds.min, max: entry.max ?? bounds.max };
  }
  return { min: Math.min(bounds.min, bounds.max), max: bounds.max };
}

function wishOf(policy: ScalingPolicy, state: ScalerState, { timeMs, metrics }: ScalingSample): readonly Wish[] {
  if (policy.kind === "scheduled") return [];
  if (policy.kind === "predictive") {
    const load = forecast(policy, state, timeMs);
    if (load === undefined) return [];
    return [
      { policy, workers: Math.ceil(load / policy.target), reason: `${load.toFixed(1)} ${policy.metric} are expected` },
    ];
  }
  const value = metrics[policy.metric];
  if (value === undefined || !Number.isFinite(value)) return [];
  const workers =
    policy.kind === "target" ? tracked(policy, state.workers, value) : stepped(policy, state.workers, value);
  return [{ policy, workers, reason: `${policy.metric} is ${value.toFixed(2)}` }];
}

function tracked(
  { target, tolerance = 0.1, disableScaleIn = false }: TargetTracking,
  workers: number,
  value: number,
): number {
  const ratio = value / target;
  if (Math.abs(ratio - 1) <= tolerance || (disableScaleIn && ratio < 1)) return workers;
  // Rounding of the product must not ask for a worker more.
  return Math.ceil(workers * ratio - 1e-9);
}

function stepped({ threshold, adjustment, steps }: StepScaling, workers: number, value: number): number {
  const over = value - threshold;
  const step = steps.find(({ from = -Infinity, to = Infinity }) => over >= from && over < to);
  if (step === undefined) return workers;
  if (adjustment === "exact") return step.change;
  if (adjustment === "change") return workers + step.change;
  const part = (workers * step.change) / 100;
  // As AWS rounds: away from nothing, towards zero otherwise.
  return workers + (Math.abs(part) < 1 ? Math.sign(part) : Math.trunc(part));
}

const bucketOf = ({ periodMs = dayMs, bucketMs = 300_000 }: PredictiveScaling, timeMs: number): number =>
  Math.floor((((timeMs % periodMs) + periodMs) % periodMs) / bucketMs);

/** The most that is expected between now and the time that a worker needs; undefined where no earlier period says so. */
function forecast(policy: PredictiveScaling, { seen }: ScalerState, timeMs: number): number | undefined {
  const { periodMs = dayMs, leadMs = 300_000, bucketMs = 300_000 } = policy;
  const known = seen[policy.metric] ?? {};
  let most: number | undefined;
  for (let aheadMs = 0; aheadMs <= leadMs; aheadMs += bucketMs) {
    const at = timeMs + aheadMs;
    const bucket = known[bucketOf(policy, at)];
    if (bucket === undefined || bucket.period >= Math.floor(at / periodMs)) continue;
    const load = bucket.sum / bucket.count;
    most = most === undefined ? load : Math.max(most, load);
  }
  return most;
}

/** Adds the load of all workers to what was seen at this time of the period. A new period counts as much as all before. */
function remember(policies: readonly ScalingPolicy[], state: ScalerState, sample: ScalingSample): ScalerState["seen"] {
  let { seen } = state;
  for (const policy of policies) {
    const value = policy.kind === "predictive" ? sample.metrics[policy.metric] : undefined;
    if (policy.kind !== "predictive" || value === undefined || !Number.isFinite(value)) continue;
    const known = seen[policy.metric] ?? {};
    const key = String(bucketOf(policy, sample.timeMs));
    const period = Math.floor(sample.timeMs / (policy.periodMs ?? dayMs));
    const before = known[key] ?? { sum: 0, count: 0, period };
    const load = value * state.workers;
    // Of earlier periods the mean stays, with the weight of one sample.
    const kept =
      before.period === period || before.count === 0 ? before : { sum: before.sum / before.count, count: 1, period };
    seen = { ...seen, [policy.metric]: { ...known, [key]: { sum: kept.sum + load, count: kept.count + 1, period } } };
  }
  return seen;
}

interface Settling {
  readonly options: ScalingOptions;
  readonly policy: ScalingPolicy | undefined;
  readonly bounds: ScalingBounds;
  readonly state: ScalerState;
  readonly timeMs: number;
  readonly wanted: number;
  readonly history: ScalerState["wanted"];
}

/** What comes of the wish after stabilisation and cooldowns. Bounds are followed at once. */
function settle({ options, policy, bounds, state, timeMs, wanted, history }: Settling): {
  readonly workers: number;
  readonly reason: string;
} {
  const { outMs = 0, inMs = 900_000 } = options.stabilisation ?? {};
  const within = (windowMs: number): readonly number[] =>
    history
      .filter((entry) => entry.timeMs > timeMs - windowMs || entry.timeMs === timeMs)
      .map(({ workers }) => workers);
  const present = clamp(state.workers, bounds);
  if (present !== state.workers) return { workers: present, reason: `bounds are ${bounds.min} to ${bounds.max}` };
  const { lastOutMs = -Infinity, lastInMs = -Infinity } = state;
  if (wanted > present) {
    const most = Math.max(present + 4, Math.floor(present * (options.maxFactor ?? 2)));
    const workers = Math.min(most, ...within(outMs));
    const cooldownMs = cooldownOf(policy, "out");
    const before = history.findLast((entry) => entry.timeMs <= lastOutMs)?.workers ?? 0;
    if (timeMs - lastOutMs < cooldownMs && workers <= before)
      return { workers: present, reason: "cooling down after adding" };
    return workers > present
      ? { workers, reason: `${workers} workers` }
      : { workers: present, reason: "not wanted for long enough" };
  }
  if (wanted < present) {
    const workers = Math.max(...within(inMs));
    if (workers >= present) return { workers: present, reason: "more were wanted lately" };
    if (timeMs - Math.max(lastOutMs, lastInMs) < cooldownOf(policy, "in"))
      return { workers: present, reason: "cooling down" };
    return { workers, reason: `${workers} workers` };
  }
  return { workers: present, reason: "as many as wanted" };
}

function cooldownOf(policy: ScalingPolicy | undefined, direction: "out" | "in"): number {
  if (policy?.kind === "step") return policy.cooldownMs ?? 300_000;
  if (policy?.kind !== "target") return 0;
  return direction === "out" ? (policy.scaleOutCooldownMs ?? 60_000) : (policy.scaleInCooldownMs ?? 300_000);
}

function recent(
  { stabilisation = {} }: ScalingOptions,
  history: ScalerState["wanted"],
  timeMs: number,
): ScalerState["wanted"] {
  // As long as the longest cooldown looks back, too.
  const keptMs = Math.max(stabilisation.outMs ?? 0, stabilisation.inMs ?? 900_000, 600_000);
  return history.filter((entry) => entry.timeMs > timeMs - keptMs);
}
