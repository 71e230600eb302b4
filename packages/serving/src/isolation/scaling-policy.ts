/** What is measured at a moment. Metrics are averages per worker, but for what a policy says of its own. */
export interface ScalingSample {
  /** Of a clock that does not jump, milliseconds; for schedules and forecasts UTC milliseconds since the epoch. */
  readonly timeMs: number;
  /**
   * By name: `invocationsPerInstance` (requests per worker and minute, SageMaker's `InvocationsPerInstance`), `concurrencyPerInstance` (requests in a worker),
   * `queuePerInstance` (requests that wait, per worker), or names of your own.
   */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Keeps a metric per worker near a target: `ceil(workers · metric / target)`. */
export interface TargetTracking {
  readonly kind: "target";
  readonly metric: string;
  readonly target: number;
  /** After workers were added, none is added for as long, unless more are needed than were then. Default: 60,000. */
  readonly scaleOutCooldownMs?: number | undefined;
  /** After any change none is taken away for as long. Default: 300,000. */
  readonly scaleInCooldownMs?: number | undefined;
  /** Default: false. */
  readonly disableScaleIn?: boolean | undefined;
  /** Nothing changes while the metric is within this part of the target. Default: 0.1. */
  readonly tolerance?: number | undefined;
}

/** Adds or takes away by how far a metric is from a threshold, as SageMaker's step scaling. */
export interface StepScaling {
  readonly kind: "step";
  readonly metric: string;
  readonly threshold: number;
  /** How `change` is meant: workers more or fewer, per cent of those there are (at least one worker), or how many there shall be. */
  readonly adjustment: "change" | "percent" | "exact";
  /** `from` ≤ metric − threshold < `to`; without a bound, as far as it goes. */
  readonly steps: readonly {
    readonly from?: number | undefined;
    readonly to?: number | undefined;
    readonly change: number;
  }[];
  /** Default: 300,000. */
  readonly cooldownMs?: number | undefined;
}

/** Other bounds at certain times: every day from minute to minute (UTC), or once between two times. */
export interface ScheduledScaling {
  readonly kind: "scheduled";
  readonly entries: readonly {
    readonly daily?: { readonly fromMinute: number; readonly toMinute: number } | undefined;
    readonly once?: { readonly fromMs: number; readonly toMs: number } | undefined;
    readonly min?: number | undefined;
    readonly max?: number | undefined;
  }[];
}

/** Is ready for the load that came at the same time of earlier periods. */
export interface PredictiveScaling {
  readonly kind: "predictive";
  readonly metric: string;
  readonly target: number;
  /** Default: a day. */
  readonly periodMs?: number | undefined;
  /** How far ahead: how long a worker needs to come up, and a little more. Default: 300,000. */
  readonly leadMs?: number | undefined;
  /** How fine the periods are told apart. Default: 300,000. */
  readonly bucketMs?: number | undefined;
}

export type ScalingPolicy = TargetTracking | StepScaling | ScheduledScaling | PredictiveScaling;

export interface ScalingOptions {
  /** At least 1. Default: 1. */
  readonly min?: number | undefined;
  readonly max: number;
  /** At most so many times as many workers after a decision as before, or four more where that is more: a backlog asks for far too many. Default: 2. */
  readonly maxFactor?: number | undefined;
  /** The one that wants most workers is followed. */
  readonly policies: readonly ScalingPolicy[];
  /**
   * Against flapping, as Kubernetes' stabilisation windows: fewer workers only where none of the last so many milliseconds wanted more, more only where all of
   * them wanted more. Default: 0 for more, 900,000 for fewer, as long as SageMaker's alarms wait.
   */
  readonly stabilisation?: { readonly outMs?: number | undefined; readonly inMs?: number | undefined } | undefined;
}

/** What a scaler remembers between samples: a value, which may be kept. */
export interface ScalerState {
  readonly workers: number;
  readonly lastOutMs?: number | undefined;
  readonly lastInMs?: number | undefined;
  /** What was wanted lately, for the stabilisation. */
  readonly wanted: readonly { readonly timeMs: number; readonly workers: number }[];
  /** Load by metric and time of the period: for forecasts. */
  readonly seen: Readonly<
    Record<string, Readonly<Record<string, { readonly sum: number; readonly count: number; readonly period: number }>>>
  >;
}

export interface ScalingDecision {
  readonly workers: number;
  /** What the policies want, before stabilisation and cooldowns. */
  readonly wanted: number;
  readonly reason: string;
}

export interface ScalingBounds {
  readonly min: number;
  readonly max: number;
}

/** Throws `RangeError` for options out of range. */
export function checkScaling({ min = 1, max, maxFactor = 2, policies, stabilisation = {} }: ScalingOptions): void {
  if (!(maxFactor > 1)) throw new RangeError(`maxFactor must be above 1, not ${String(maxFactor)}.`);
  if (!(Number.isInteger(min) && min >= 1))
    throw new RangeError(`min must be a whole number from 1, not ${String(min)}.`);
  if (!(Number.isInteger(max) && max >= min))
    throw new RangeError(`max must be a whole number from min (${min}), not ${String(max)}.`);
  if (!Array.isArray(policies) || policies.length === 0)
    throw new RangeError("There must be at least one scaling policy.");
  for (const policy of policies) checkPolicy(policy);
  for (const [name, value] of Object.entries(stabilisation))
    if (value !== undefined && !(value >= 0))
      throw new RangeError(`stabilisation.${name} must be at least 0, not ${String(value)}.`);
}

function checkPolicy(policy: ScalingPolicy): void {
  const { kind } = policy;
  if (kind === "target" || kind === "predictive") {
    if (!(policy.target > 0 && Number.isFinite(policy.target)))
      throw new RangeError(`target of "${policy.metric}" must be above 0, not ${String(policy.target)}.`);
  } else if (kind === "step") {
    if (!Array.isArray(policy.steps) || policy.steps.length === 0) throw new RangeError("A step policy needs steps.");
    if (!Number.isFinite(policy.threshold))
      throw new RangeError(`threshold must be a number, not ${String(policy.threshold)}.`);
    if (policy.steps.some(({ change }) => !Number.isFinite(change)))
      throw new RangeError("change of a step must be a number.");
  } else if (kind === "scheduled") {
    for (const { daily, once } of policy.entries)
      if ((daily === undefined) === (once === undefined))
        throw new RangeError("An entry of a schedule is either daily or once.");
  } else
    throw new TypeError(
      `There is no scaling policy of the kind ${JSON.stringify(kind)}: target, step, scheduled or predictive.`,
    );
}
