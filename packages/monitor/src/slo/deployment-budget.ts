import type { CallOptions, DeploymentPlan, JsonValue } from "@millwright/contracts";

/** Why something is deployed. Rollbacks and security fixes are never held up by a spent budget. */
export type ChangeClass = "release" | "rollback" | "security";

/** What is left of an objective's budget, and of what. `readBudget` and the monitor's `slo` tell `left`. */
export interface BudgetState {
  /** Share of the budget that is left: 1 untouched, 0 spent; undefined where nobody knows. */
  readonly left: number | undefined;
  /** Share of good events promised. */
  readonly objective: number;
  readonly periodMs: number;
}

export interface DeploymentBudgetPolicy {
  /** Releases are refused with less than this left. Default: 0.1. */
  readonly minimum?: number | undefined;
  /** Largest canary, as a share of the traffic. Default: 0.05. */
  readonly canaryShare?: number | undefined;
  /** Smallest canary that is worth it; where less is allowed, releases are refused. Default: 0.001. */
  readonly smallestShare?: number | undefined;
  /** A canary that fails wholly may spend this share of what is left. Default: 0.1. */
  readonly riskShare?: number | undefined;
  /** How long a failing canary serves before it is taken back: bake time at most. Default: 30 minutes. */
  readonly detectionMs?: number | undefined;
}

export interface DeploymentAllowance {
  readonly allowed: boolean;
  /** Largest share of the traffic for a canary; 0 where nothing is allowed. */
  readonly canaryShare: number;
  readonly reason: string;
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/**
 * Whether something may be deployed, and on how much of the traffic: a canary that fails from its first request to its last spends, until it is taken back, no
 * more than `riskShare` of what is left: share ≤ riskShare · left · (1 − objective) · period / detection, and no more than `canaryShare`.
 */
export function deploymentAllowance(
  { left, objective, periodMs }: BudgetState,
  change: ChangeClass = "release",
  policy: DeploymentBudgetPolicy = {},
): DeploymentAllowance {
  const { minimum = 0.1, canaryShare = 0.05, smallestShare = 0.001, riskShare = 0.1, detectionMs = 1_800_000 } = policy;
  checkPolicy({ minimum, canaryShare, smallestShare, riskShare, detectionMs });
  if (!(objective > 0 && objective < 1 && periodMs > 0))
    throw new RangeError(`An objective of ${String(objective)} over ${String(periodMs)} ms has no budget.`);
  if (change === "rollback" || change === "security")
    return { allowed: true, canaryShare: 1, reason: `a ${change} is never held up by the error budget` };
  if (left === undefined || Number.isNaN(left))
    return { allowed: false, canaryShare: 0, reason: "nobody knows how much of the error budget is left" };
  if (left < minimum)
    return {
      allowed: false,
      canaryShare: 0,
      reason: `${percent(left)} of the error budget is left, and ${percent(minimum)} must be`,
    };
  const share = Math.min(canaryShare, (riskShare * left * (1 - objective) * periodMs) / detectionMs);
  if (share < smallestShare)
    return {
      allowed: false,
      canaryShare: 0,
      reason: `a canary would have to be smaller than ${percent(smallestShare)} not to spend too much of the ${percent(left)} left`,
    };
  return {
    allowed: true,
    canaryShare: share,
    reason: `${percent(left)} of the error budget is left: a canary of up to ${percent(share)}`,
  };
}

function checkPolicy(policy: Required<{ readonly [Key in keyof DeploymentBudgetPolicy]: number }>): void {
  for (const [name, value] of Object.entries(policy)) {
    const isRight = name === "detectionMs" ? value > 0 : value >= 0 && value <= 1;
    if (!isRight) throw new RangeError(`${name} is ${String(value)}.`);
  }
}

export interface DeploymentBudgetGateOptions extends DeploymentBudgetPolicy {
  /** What is left of the endpoint's budget. */
  readonly budget: (endpoint: string, options: CallOptions) => BudgetState | Promise<BudgetState>;
  /** What a plan is for. Default: a release. */
  readonly classOf?: ((endpoint: string, plan: DeploymentPlan) => ChangeClass) | undefined;
}

/** What a rollout asks before it begins: the shape of the gates of `@millwright/serving`. */
export interface DeploymentBudgetGate {
  check(
    request: { readonly endpoint: string; readonly plan: DeploymentPlan },
    options?: CallOptions,
  ): Promise<{ readonly open: boolean; readonly reason: string; readonly evidence: JsonValue }>;
}

/** A gate that is closed where the budget does not allow the plan: too little is left, or its first step puts more at risk than it may. */
export function deploymentBudgetGate({
  budget,
  classOf = () => "release",
  ...policy
}: DeploymentBudgetGateOptions): DeploymentBudgetGate {
  if (typeof budget !== "function") throw new TypeError("`budget` is a function that gives the budget's state.");
  return {
    async check({ endpoint, plan }, { signal } = {}) {
      signal?.throwIfAborted();
      const state = await budget(endpoint, { signal });
      const change = classOf(endpoint, plan);
      const { allowed, canaryShare, reason } = deploymentAllowance(state, change, policy);
      const asked = firstShare(plan);
      const evidence = { left: state.left ?? null, change, allowedShare: canaryShare, askedShare: asked };
      if (!allowed || asked <= canaryShare) return { open: allowed, reason, evidence };
      return { open: false, reason: `${reason}, and not ${percent(asked)} at once`, evidence };
    },
  };
}

/** Share of the traffic that a plan's first step moves. */
function firstShare({ traffic }: DeploymentPlan): number {
  if (traffic.type === "canary") return traffic.share;
  return traffic.type === "linear" ? traffic.stepShare : 1;
}
