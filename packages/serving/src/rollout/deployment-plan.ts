import type { DeploymentPlan } from "@millwright/contracts";
import { deploymentInvalid } from "../errors.ts";

/** A share of the traffic, and how long it bakes. */
export interface TrafficStep {
  readonly share: number;
  readonly bakeMs: number;
}

/** A month. SageMaker's limit is an hour; but labels come late, and what only they can tell needs longer. */
const maxBakeMs = 30 * 86_400_000;
const maxTerminationWaitMs = 3_600_000;

/**
 * What a plan does to the traffic, step by step; after the last one the candidate takes the place of the model before. Where that stays loaded for a while, the
 * last step has all traffic. All at once without such a wait has no steps.
 * Throws `SERVING_DEPLOYMENT_INVALID` where a share or a time is out of range.
 */
export function trafficSteps(endpoint: string, plan: DeploymentPlan): readonly TrafficStep[] {
  const { terminationWaitMs = 0, timeoutMs, missingAlerts = "hold" } = plan;
  if (!(terminationWaitMs >= 0 && terminationWaitMs <= maxTerminationWaitMs))
    throw deploymentInvalid(
      endpoint,
      `its \`terminationWaitMs\` is ${terminationWaitMs}`,
      `Wait 0 to ${maxTerminationWaitMs} milliseconds.`,
    );
  if (!["hold", "proceed", "rollback"].includes(missingAlerts))
    throw deploymentInvalid(
      endpoint,
      `its \`missingAlerts\` is ${JSON.stringify(missingAlerts)}`,
      "Say hold, proceed or rollback.",
    );
  const shifts = shiftsOf(endpoint, plan);
  const steps = terminationWaitMs > 0 ? [...shifts, { share: 1, bakeMs: terminationWaitMs }] : shifts;
  const waitsMs = steps.reduce((sum, { bakeMs }) => sum + bakeMs, 0);
  if (timeoutMs !== undefined && !(timeoutMs > waitsMs && timeoutMs <= 2 * maxBakeMs))
    throw deploymentInvalid(
      endpoint,
      `its \`timeoutMs\` is ${timeoutMs}, and its waits are ${waitsMs} together`,
      `Give it more than its waits, and at most ${2 * maxBakeMs}.`,
    );
  return steps;
}

function shiftsOf(endpoint: string, { traffic }: DeploymentPlan): readonly TrafficStep[] {
  const bake = (name: string, ms: number): number => {
    if (ms >= 0 && ms <= maxBakeMs) return ms;
    throw deploymentInvalid(endpoint, `its \`${name}\` is ${ms}`, `Wait 0 to ${maxBakeMs} milliseconds.`);
  };
  switch (traffic.type) {
    case "all-at-once":
      return [];
    case "canary": {
      const { share, bakeMs } = traffic;
      if (!(share > 0 && share <= 0.5))
        throw deploymentInvalid(
          endpoint,
          `its \`share\` is ${share}`,
          "Give the candidate more than 0 and at most 0.5.",
        );
      return [{ share, bakeMs: bake("bakeMs", bakeMs) }];
    }
    case "linear": {
      const { stepShare, stepMs } = traffic;
      if (!(stepShare >= 0.1 && stepShare <= 0.5)) {
        throw deploymentInvalid(endpoint, `its \`stepShare\` is ${stepShare}`, "Take steps of 0.1 to 0.5.");
      }
      const steps = Math.ceil(1 / stepShare - 1e-9) - 1;
      return Array.from({ length: steps }, (_, at) => ({
        share: stepShare * (at + 1),
        bakeMs: bake("stepMs", stepMs),
      }));
    }
    default:
      throw deploymentInvalid(
        endpoint,
        `its traffic is ${JSON.stringify(traffic satisfies never)}`,
        "Name all-at-once, canary or linear.",
      );
  }
}
