import type { CallOptions } from "./call-options.ts";
import type { JsonValue } from "./json.ts";

/** How a new model takes over an endpoint. Names and ranges are SageMaker's deployment guardrails. */
export interface DeploymentPlan {
  /** The candidate: `late/3`, `late@challenger`. */
  readonly model: string;
  readonly traffic:
    | { readonly type: "all-at-once" }
    | {
        readonly type: "canary";
        /** Share of the traffic for the candidate, in (0, 0.5]. */
        readonly share: number;
        /** How long it bakes before it takes all. */
        readonly bakeMs: number;
      }
    | { readonly type: "linear"; /** In [0.1, 0.5]. */ readonly stepShare: number; readonly stepMs: number };
  /** Rolls back when one of these alerts fires on the candidate; without any, and without another guard, the deployment is `unguarded`. */
  readonly rollbackOn?: readonly string[] | undefined;
  /**
   * What holds while the alerts of `rollbackOn` cannot be read. `"hold"`: no step ends before they could be; `"proceed"`: as if none fired; `"rollback"`:
   * as if one did, once several reads in a row have failed. Default: `"hold"`.
   */
  readonly missingAlerts?: "hold" | "proceed" | "rollback" | undefined;
  /** How long the model before stays loaded, and alerts are listened to, once the candidate has all traffic: 0 to 3,600,000. Default: 0. */
  readonly terminationWaitMs?: number | undefined;
  /** A deployment that is not complete by then is rolled back. Greater than all waits together. Default: none. */
  readonly timeoutMs?: number | undefined;
  /** Gates by name that must be open for the deployment to begin: an SLO's error budget, a change freeze. */
  readonly gates?: readonly string[] | undefined;
}

export type DeploymentState = "deploying" | "baking" | "completed" | "rolling-back" | "rolled-back" | "failed";

export interface DeploymentStatus {
  readonly endpoint: string;
  readonly deploymentId: string;
  readonly state: DeploymentState;
  /** Share of the traffic by variant. */
  readonly variants: readonly { readonly name: string; readonly model: string; readonly weight: number }[];
  /** Why it is in this state. */
  readonly reason?: string | undefined;
  /** What the reason rests on: the alert with its value and threshold, the figures of a verdict. */
  readonly evidence?: JsonValue | undefined;
  /** True where nothing would roll it back by itself: no alerts and no other guard were named. */
  readonly unguarded?: boolean | undefined;
  /** UTC, milliseconds. */
  readonly sinceMs: number;
}

/** Brings models to endpoints and back. */
export interface Deployer {
  /** Starts the deployment. Throws `PORT_DEPLOYMENT_RUNNING` while another goes on. */
  deploy(endpoint: string, plan: DeploymentPlan, options?: CallOptions): Promise<DeploymentStatus>;
  rollback(endpoint: string, reason: string, options?: CallOptions): Promise<DeploymentStatus>;
  /** `undefined` where nothing was ever deployed. */
  status(endpoint: string, options?: CallOptions): Promise<DeploymentStatus | undefined>;
}
