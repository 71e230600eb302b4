import type { CallOptions, DeploymentPlan, JsonValue } from "@millwright/contracts";
import { deploymentGated, deploymentInvalid } from "../errors.ts";

/** What a gate is asked about. */
export interface GateRequest {
  readonly endpoint: string;
  readonly plan: DeploymentPlan;
}

export interface GateAnswer {
  readonly open: boolean;
  /** Why it is open or closed. */
  readonly reason: string;
  /** The figures behind it. */
  readonly evidence?: JsonValue | undefined;
}

/** Says whether a deployment may begin: plans name the gates that the server was opened with. */
export interface DeploymentGate {
  check(request: GateRequest, options?: CallOptions): Promise<GateAnswer>;
}

export interface ErrorBudgetGateOptions {
  /**
   * Share of the error budget that is left, 1 untouched, 0 spent, below 0 overspent; `undefined` where nobody knows. With the monitor:
   * `() => monitor.slo("late-available").budgetLeft`.
   */
  readonly remaining: (endpoint: string, options: CallOptions) => number | undefined | Promise<number | undefined>;
  /** The gate is open while more than this share is left, in [0, 1). Default: 0. */
  readonly minimum?: number | undefined;
  /** Whether a deployment may begin where the budget is not known. Default: `"refuse"`. */
  readonly whenUnknown?: "refuse" | "allow" | undefined;
}

/** A gate that is closed when the error budget of a service level objective is spent (Google's SRE workbook, chapter 2: no releases without budget). */
export function errorBudgetGate({
  remaining,
  minimum = 0,
  whenUnknown = "refuse",
}: ErrorBudgetGateOptions): DeploymentGate {
  if (typeof remaining !== "function") throw new TypeError("`remaining` is a function that gives the budget left.");
  if (!(minimum >= 0 && minimum < 1)) throw new RangeError(`\`minimum\` must be in [0, 1), not ${minimum}.`);
  return {
    async check({ endpoint }, { signal } = {}) {
      signal?.throwIfAborted();
      const left = await remaining(endpoint, { signal });
      if (left === undefined || Number.isNaN(left))
        return { open: whenUnknown === "allow", reason: "nobody knows how much of the error budget is left" };
      const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
      return {
        open: left > minimum,
        reason: `${percent(left)} of the error budget is left, and more than ${percent(minimum)} must be`,
        evidence: { budgetLeft: left, minimum },
      };
    },
  };
}

/** Throws `SERVING_DEPLOYMENT_INVALID` for a gate that nobody gave, and `SERVING_DEPLOYMENT_GATED` where one is closed or cannot be asked. */
export async function assertOpen(
  { endpoint, plan }: GateRequest,
  gates: Readonly<Record<string, DeploymentGate>>,
  { signal }: CallOptions = {},
): Promise<void> {
  for (const name of plan.gates ?? []) {
    const gate = Object.hasOwn(gates, name) ? gates[name] : undefined;
    if (gate === undefined)
      throw deploymentInvalid(
        endpoint,
        `it names the gate "${name}", which the server was not opened with`,
        `Give it in \`gates\`, or name one of: ${Object.keys(gates).join(", ") || "none"}.`,
      );
    let answer: GateAnswer;
    try {
      answer = await gate.check({ endpoint, plan }, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      const problem = error instanceof Error ? error.message : String(error);
      throw deploymentGated(endpoint, name, `it cannot be asked: ${problem}`, error);
    }
    if (!answer.open) throw deploymentGated(endpoint, name, answer.reason);
  }
}
