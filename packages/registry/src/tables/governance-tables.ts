/** Rows of what is decided about versions and what becomes of them. Times are UTC milliseconds. */
export interface GovernanceTables {
  /** One row per move; the newest is where the version stands. */
  readonly registry_stages: {
    readonly model: string;
    readonly version: number;
    readonly move: number;
    readonly stage: string;
    readonly status: string;
    readonly description: string | null;
    readonly moved_by: string;
    readonly time_ms: number;
  };
  readonly registry_requests: {
    readonly id: string;
    readonly model: string;
    readonly version: number;
    readonly requested_by: string;
    readonly requested_ms: number;
    readonly expires_ms: number | null;
    readonly quorum: number;
    /** Who may decide, as a JSON array; null: anybody but who asked. */
    readonly approvers: string | null;
    readonly remind_ms: number | null;
    readonly reminded_ms: number;
    /** `open`, `approved`, `rejected`, `expired` or `withdrawn`. */
    readonly status: string;
    readonly closed_ms: number | null;
  };
  /** What was said about a request, in order. */
  readonly registry_request_entries: {
    readonly request: string;
    readonly entry: number;
    /** `comment`, `approve`, `reject` or `delegate`. */
    readonly kind: string;
    readonly said_by: string;
    /** Whom a vote stands for, or who may vote now instead. */
    readonly person: string | null;
    readonly comment: string | null;
    readonly time_ms: number;
  };
  /** Shares of an endpoint's traffic from a time on, all of one change with the same time and number. */
  readonly registry_deployments: {
    readonly endpoint: string;
    readonly environment: string;
    /** Counts the changes of the endpoint. */
    readonly change: number;
    readonly variant: string;
    readonly model: string;
    readonly version: number;
    /** In (0, 1]. */
    readonly share: number;
    readonly changed_by: string;
    readonly reason: string | null;
    readonly outcome: string;
    readonly time_ms: number;
  };
  /** Every endpoint that ever had traffic. */
  readonly registry_endpoints: { readonly environment: string; readonly endpoint: string };
  /** Deployments that it was told of that they are late. */
  readonly registry_late_services: {
    readonly model: string;
    readonly version: number;
    /** Of the approval that it was late after. */
    readonly approved_ms: number;
    /** Both empty: it was approved, and nowhere in service. */
    readonly environment: string;
    readonly endpoint: string;
    readonly told_ms: number;
  };
  /** Artifacts that stand beside a version from its registration on, such as the baselines of its drift checks. */
  readonly registry_baselines: {
    readonly model: string;
    readonly version: number;
    readonly kind: string;
    readonly digest: string;
  };
  /** The gates that the registry was opened with last. */
  readonly registry_gates: {
    /** `alias`, `stage` or `approval`. */
    readonly kind: string;
    readonly target: string;
    readonly position: number;
    readonly name: string;
  };
  /** What must not be deleted, and why. */
  readonly registry_holds: {
    readonly id: string;
    readonly model: string;
    readonly version: number;
    readonly reason: string;
    readonly held_by: string;
    readonly held_ms: number;
    readonly released_by: string | null;
    readonly released_ms: number | null;
  };
}
