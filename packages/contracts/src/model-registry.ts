import type { CallOptions } from "./call-options.ts";
import type { Digest, RunId } from "./ids.ts";

/** SageMaker's `ModelApprovalStatus` in the house's spelling. */
export type ApprovalStatus = "pending" | "approved" | "rejected";

export interface ModelVersion {
  readonly name: string;
  /** From 1, without gaps. */
  readonly version: number;
  readonly digest: Digest;
  readonly approval: ApprovalStatus;
  readonly runId?: RunId | undefined;
  /** UTC, milliseconds. */
  readonly createdTimeMs: number;
}

export interface RegisterOptions extends CallOptions {
  readonly runId?: RunId | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Who registers it: a person's or a service's name. */
  readonly by?: string | undefined;
}

export interface ApprovalDecision {
  readonly status: "approved" | "rejected";
  /** Who decides: a person's or a service's name. */
  readonly by: string;
  readonly comment?: string | undefined;
}

export interface SetAliasOptions extends CallOptions {
  /** Only if the alias points at this version now; 0: only if it is not set. Otherwise `PORT_VERSION_CONFLICT`. */
  readonly ifVersion?: number | undefined;
  /** Who moves it: a person's or a service's name. */
  readonly by?: string | undefined;
}

/** Versions of models, who approved them, and which one a name means. */
export interface ModelRegistry {
  /** Takes the model package in `directory` into the registry as the next version of `name`. The same package again gives the version it has. */
  register(name: string, directory: string, options?: RegisterOptions): Promise<ModelVersion>;
  /** Throws `PORT_MODEL_UNKNOWN`; `PORT_TRANSITION_ILLEGAL` where the state does not allow it. */
  approve(name: string, version: number, decision: ApprovalDecision, options?: CallOptions): Promise<ModelVersion>;
  setAlias(name: string, alias: string, version: number, options?: SetAliasOptions): Promise<void>;
}
