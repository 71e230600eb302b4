import type { DeploymentPlan } from "@millwright/contracts";
import { deploymentInvalid } from "../errors.ts";

/** A share of the traffic, and how long it bakes. */
export interface TrafficStep {
  readonly share: number;
  readonly bakeMs: number;
}

/** A month. SageMaker's limit is an hour; but labels come late, and what only they can tell needs longer. */
const maxBakeMs = 30 * 86_400_000;

/**
 * What a plan does to the traffic, step by step; after the last one the candidate takes all. All at once has no steps.
 * Throws `SERVING_DEPLOYMENT_INVALID` where a share or a time is out of range.
 */
export function trafficSteps(endpoint: string, { traffic }: DeploymentPlan): readonly TrafficStep[] {
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
