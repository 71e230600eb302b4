import type { DeploymentPlan } from "@millwright/contracts";
import type { RollingUpdateOptions } from "./rolling-update.ts";
import { deploymentConfigInvalid } from "../errors.ts";

/** Instances, or percent of them. */
export interface SageMakerCapacitySize {
  readonly Type: "INSTANCE_COUNT" | "CAPACITY_PERCENT";
  readonly Value: number;
}

/** SageMaker's `DeploymentConfig`, as `UpdateEndpoint` takes and `DescribeEndpoint` gives it. */
export interface SageMakerDeploymentConfig {
  readonly BlueGreenUpdatePolicy?:
    | {
        readonly TrafficRoutingConfiguration: {
          readonly Type: "ALL_AT_ONCE" | "CANARY" | "LINEAR";
          readonly WaitIntervalInSeconds: number;
          readonly CanarySize?: SageMakerCapacitySize | undefined;
          readonly LinearStepSize?: SageMakerCapacitySize | undefined;
        };
        readonly TerminationWaitInSeconds?: number | undefined;
        readonly MaximumExecutionTimeoutInSeconds?: number | undefined;
      }
    | undefined;
  readonly RollingUpdatePolicy?:
    | {
        readonly MaximumBatchSize: SageMakerCapacitySize;
        readonly WaitIntervalInSeconds: number;
        readonly MaximumExecutionTimeoutInSeconds?: number | undefined;
        readonly RollbackMaximumBatchSize?: SageMakerCapacitySize | undefined;
      }
    | undefined;
  readonly AutoRollbackConfiguration?:
    | { readonly Alarms?: readonly { readonly AlarmName: string }[] | undefined }
    | undefined;
}

export interface FromSageMakerOptions {
  /** The candidate. */
  readonly model: string;
  /** How many instances the endpoint has: sizes given as `INSTANCE_COUNT` need it. */
  readonly instances?: number | undefined;
}

/**
 * The plan that a SageMaker `DeploymentConfig` means. No update policy is blue/green all at once, as there. Ranges are SageMaker's: a canary of at most half, linear
 * steps of 10 to 50 %, waits of 0 to 3,600 s, a timeout of 600 to 28,800 s that is greater than all waits, 1 to 10 alarms. The wait interval of `ALL_AT_ONCE`
 * separates no steps, and is only checked.
 * Throws `SERVING_DEPLOYMENT_INVALID`.
 */
export function planFromSageMaker(
  config: SageMakerDeploymentConfig,
  { model, instances }: FromSageMakerOptions,
): DeploymentPlan {
  const {
    BlueGreenUpdatePolicy: policy,
    AutoRollbackConfiguration: rollback,
    RollingUpdatePolicy: rolling,
  } = record("DeploymentConfig", config);
  if (rolling !== undefined)
    throw deploymentConfigInvalid("RollingUpdatePolicy", "updates a fleet", "Read it with `rollingFromSageMaker`.");
  const rollbackOn = alarmsOf(rollback);
  const guard = rollbackOn.length === 0 ? {} : { rollbackOn };
  if (policy === undefined) return { model, traffic: { type: "all-at-once" }, ...guard };
  const {
    TrafficRoutingConfiguration: routing,
    TerminationWaitInSeconds: termination,
    MaximumExecutionTimeoutInSeconds: timeout,
  } = record("BlueGreenUpdatePolicy", policy);
  const traffic = trafficOf(record("TrafficRoutingConfiguration", routing), instances);
  const terminationWaitMs = seconds("TerminationWaitInSeconds", termination ?? 0, 0, 3600);
  const plan: DeploymentPlan = { model, traffic, ...(terminationWaitMs > 0 ? { terminationWaitMs } : {}), ...guard };
  if (timeout === undefined) return plan;
  const timeoutMs = seconds("MaximumExecutionTimeoutInSeconds", timeout, 600, 28_800);
  const waitsMs = waitsOf(traffic) + terminationWaitMs;
  if (timeoutMs <= waitsMs)
    throw deploymentConfigInvalid(
      "MaximumExecutionTimeoutInSeconds",
      `is ${timeout}, and all waits together are ${waitsMs / 1000}`,
      "Give it more than all waits.",
    );
  return { ...plan, timeoutMs };
}

/**
 * A plan as SageMaker's `DeploymentConfig`; what SageMaker does not have (a gate, a verdict, what holds where alerts are missing) is left out.
 * Throws `SERVING_DEPLOYMENT_INVALID` where a time is no whole second or a size no whole percent, or out of SageMaker's ranges.
 */
export function planToSageMaker(plan: DeploymentPlan): SageMakerDeploymentConfig {
  const { traffic, terminationWaitMs, timeoutMs, rollbackOn = [] } = record("plan", plan);
  const percent = (share: number): SageMakerCapacitySize => {
    const Value = Math.round(share * 100);
    if (Math.abs(share * 100 - Value) > 1e-9)
      throw deploymentConfigInvalid("Value", `would be ${share * 100} %`, "Take whole percents.");
    return { Type: "CAPACITY_PERCENT", Value };
  };
  const whole = (ms: number): number => {
    if (!Number.isInteger(ms / 1000))
      throw deploymentConfigInvalid("a wait", `would be ${ms / 1000} s`, "Take whole seconds.");
    return ms / 1000;
  };
  const routing = (): Routing => {
    switch (record("traffic", traffic).type) {
      case "all-at-once":
        return { Type: "ALL_AT_ONCE", WaitIntervalInSeconds: 0 };
      case "canary": {
        const { share, bakeMs } = traffic as Extract<DeploymentPlan["traffic"], { readonly type: "canary" }>;
        return { Type: "CANARY", WaitIntervalInSeconds: whole(bakeMs), CanarySize: percent(share) };
      }
      case "linear": {
        const { stepShare, stepMs } = traffic as Extract<DeploymentPlan["traffic"], { readonly type: "linear" }>;
        return { Type: "LINEAR", WaitIntervalInSeconds: whole(stepMs), LinearStepSize: percent(stepShare) };
      }
      default:
        throw deploymentConfigInvalid(
          "Type",
          `has no word for ${JSON.stringify(traffic.type)}`,
          "Plan all-at-once, canary or linear.",
        );
    }
  };
  const config: SageMakerDeploymentConfig = {
    BlueGreenUpdatePolicy: {
      TrafficRoutingConfiguration: routing(),
      ...(terminationWaitMs === undefined ? {} : { TerminationWaitInSeconds: whole(terminationWaitMs) }),
      ...(timeoutMs === undefined ? {} : { MaximumExecutionTimeoutInSeconds: whole(timeoutMs) }),
    },
    ...(rollbackOn.length === 0
      ? {}
      : { AutoRollbackConfiguration: { Alarms: rollbackOn.map((AlarmName) => ({ AlarmName })) } }),
  };
  planFromSageMaker(config, { model: plan.model });
  return config;
}

/** What `rollingUpdate` is to do, beside the fleet and the models. */
export type RollingPlan = Pick<
  RollingUpdateOptions,
  "batchShare" | "waitMs" | "rollbackBatchShare" | "timeoutMs" | "rollbackOn"
>;

/**
 * The rolling update that a SageMaker `DeploymentConfig` means: batches of 5 to 50 %, waits of 0 to 3,600 s, a timeout of 600 to 28,800 s, batches of the way back of up to all.
 * Throws `SERVING_DEPLOYMENT_INVALID`.
 */
export function rollingFromSageMaker(
  config: SageMakerDeploymentConfig,
  { instances }: Pick<FromSageMakerOptions, "instances"> = {},
): RollingPlan {
  const { RollingUpdatePolicy: policy, AutoRollbackConfiguration: rollback } = record("DeploymentConfig", config);
  const {
    MaximumBatchSize: batch,
    WaitIntervalInSeconds: wait,
    MaximumExecutionTimeoutInSeconds: timeout,
    RollbackMaximumBatchSize: back,
  } = record("RollingUpdatePolicy", policy);
  return {
    batchShare: shareOf("MaximumBatchSize", batch, instances, [0.05, 0.5]),
    waitMs: seconds("WaitIntervalInSeconds", wait, 0, 3600),
    ...(back === undefined
      ? {}
      : { rollbackBatchShare: shareOf("RollbackMaximumBatchSize", back, instances, [0.05, 1]) }),
    ...(timeout === undefined ? {} : { timeoutMs: seconds("MaximumExecutionTimeoutInSeconds", timeout, 600, 28_800) }),
    rollbackOn: alarmsOf(rollback),
  };
}

type Routing = NonNullable<SageMakerDeploymentConfig["BlueGreenUpdatePolicy"]>["TrafficRoutingConfiguration"];

function trafficOf(
  { Type, WaitIntervalInSeconds, CanarySize, LinearStepSize }: Routing,
  instances: number | undefined,
): DeploymentPlan["traffic"] {
  const waitMs = seconds("WaitIntervalInSeconds", WaitIntervalInSeconds, 0, 3600);
  switch (Type) {
    case "ALL_AT_ONCE":
      return { type: "all-at-once" };
    case "CANARY":
      return { type: "canary", share: shareOf("CanarySize", CanarySize, instances, [0, 0.5]), bakeMs: waitMs };
    case "LINEAR":
      return {
        type: "linear",
        stepShare: shareOf("LinearStepSize", LinearStepSize, instances, [0.1, 0.5]),
        stepMs: waitMs,
      };
    default:
      throw deploymentConfigInvalid(
        "Type",
        `is ${JSON.stringify(Type satisfies never)}`,
        "Say ALL_AT_ONCE, CANARY or LINEAR.",
      );
  }
}

function waitsOf(traffic: DeploymentPlan["traffic"]): number {
  if (traffic.type === "canary") return traffic.bakeMs;
  return traffic.type === "linear" ? (Math.ceil(1 / traffic.stepShare - 1e-9) - 1) * traffic.stepMs : 0;
}

/** A size as a share of the fleet, within the range. */
function shareOf(
  name: string,
  size: SageMakerCapacitySize | undefined,
  instances: number | undefined,
  [least, most]: readonly [number, number],
): number {
  const { Type, Value } = record(name, size);
  if (!Number.isInteger(Value) || Value < 1)
    throw deploymentConfigInvalid(`${name}.Value`, `is ${Value}`, "Give a whole number of at least 1.");
  if (Type !== "INSTANCE_COUNT" && Type !== "CAPACITY_PERCENT")
    throw deploymentConfigInvalid(
      `${name}.Type`,
      `is ${JSON.stringify(Type)}`,
      "Say INSTANCE_COUNT or CAPACITY_PERCENT.",
    );
  if (Type === "INSTANCE_COUNT" && !(instances !== undefined && instances >= 1))
    throw deploymentConfigInvalid(name, "counts instances", "Say how many there are with `instances`.");
  const share = Value / (Type === "CAPACITY_PERCENT" ? 100 : (instances as number));
  if (!(share >= least && share <= most))
    throw deploymentConfigInvalid(
      name,
      `is ${share * 100} % of the fleet`,
      `Take ${least === 0 ? "at most" : `${least * 100} to`} ${most * 100} %.`,
    );
  return share;
}

function alarmsOf(rollback: SageMakerDeploymentConfig["AutoRollbackConfiguration"]): readonly string[] {
  if (rollback === undefined) return [];
  const { Alarms: alarms } = record("AutoRollbackConfiguration", rollback);
  if (alarms === undefined) return [];
  if (!Array.isArray(alarms) || alarms.length < 1 || alarms.length > 10)
    throw deploymentConfigInvalid("Alarms", "is no list of 1 to 10", "Name 1 to 10 alarms, or leave it out.");
  return (alarms as readonly { readonly AlarmName: string }[]).map((alarm) => {
    const { AlarmName: name } = record("Alarms", alarm);
    if (typeof name !== "string" || name.trim() === "" || name.length > 255)
      throw deploymentConfigInvalid("AlarmName", `is ${JSON.stringify(name)}`, "Give a name of 1 to 255 characters.");
    return name;
  });
}

/** Seconds within the range, as milliseconds. */
function seconds(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value * 1000;
  throw deploymentConfigInvalid(name, `is ${value}`, `Give a whole number of ${least} to ${most}.`);
}

function record<Value extends object>(name: string, value: Value | undefined): Value {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
  throw deploymentConfigInvalid(name, "is no object", "See SageMaker's DeploymentConfig.");
}
