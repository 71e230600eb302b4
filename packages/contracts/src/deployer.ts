import type { CallOptions } from "./call-options.ts";

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
  /** Rolls back when one of these alerts fires on the candidate; without any there is no automatic rollback. */
  readonly rollbackOn?: readonly string[] | undefined;
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
