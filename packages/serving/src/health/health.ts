import type { CallOptions } from "@millwright/contracts";
import type { Provenance } from "../engine/prediction.ts";

/**
 * `loading`: for the first time. `ready`: it answers. `failed`: its models could not be loaded; with `onLoadFailure: "degrade"` that is tried again.
 */
export type EndpointState = "loading" | "ready" | "failed";

/** How an endpoint stands, and why. */
export interface EndpointReadiness {
  readonly state: EndpointState;
  /** Why it is not ready. */
  readonly reason?: string | undefined;
  /** How often its models were tried to load, this time included. */
  readonly attempts: number;
  /** In how long it is tried again, milliseconds, counted from the failure; absent where it is not. */
  readonly retryAfterMs?: number | undefined;
}

export interface EndpointHealth extends EndpointReadiness {
  readonly name: string;
  /** Whether it takes requests: `state` says so, and the server is not leaving. */
  readonly ready: boolean;
  /** The models that are loaded, by variant. */
  readonly models: readonly {
    readonly variant: string;
    readonly weight: number;
    readonly model: Provenance["model"];
  }[];
}

/**
 * `starting`: an endpoint loads its models for the first time. `ready`: every endpoint answers. `degraded`: an endpoint could not be loaded.
 * `draining`: it takes requests for the grace of `drain` and says it does not. `closed`: it takes none.
 */
export type ServerState = "starting" | "ready" | "degraded" | "draining" | "closed";

/** That there is one is liveness. */
export interface ServerHealth {
  readonly state: ServerState;
  /** Whether every endpoint takes requests, and the server is not leaving: what `/v2/health/ready` says. */
  readonly ready: boolean;
  /** Whether every endpoint was tried once, whatever came of it: what `/v2/health/startup` says. */
  readonly started: boolean;
  readonly endpoints: readonly EndpointHealth[];
}

/** What a model made of its golden requests. */
export interface ModelCheck {
  readonly endpoint: string;
  /** Absent where the endpoint has no model to ask. */
  readonly variant?: string | undefined;
  readonly model?: Provenance["model"] | undefined;
  readonly healthy: boolean;
  /** How many golden requests its package has; 0 says nothing of its answers. */
  readonly requests: number;
  readonly latencyMs: number;
  /** Why it is not healthy. */
  readonly reason?: string | undefined;
}

export interface HealthCheck {
  readonly healthy: boolean;
  readonly models: readonly ModelCheck[];
}

export interface HealthCheckOptions extends CallOptions {
  /** How long each model may take, milliseconds. Default: 1,500, so that SageMaker's two seconds suffice. */
  readonly timeoutMs?: number | undefined;
}
