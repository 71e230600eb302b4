/** Rows of models and their versions. Times are UTC milliseconds; a flag of deletion is the time it happened. */
export interface ModelTables {
  readonly registry_models: {
    readonly name: string;
    readonly description: string | null;
    readonly created_ms: number;
    readonly updated_ms: number;
  };
  readonly registry_versions: {
    readonly model: string;
    readonly version: number;
    readonly digest: string;
    readonly approval: string;
    readonly run: string | null;
    readonly created_ms: number;
    readonly updated_ms: number;
    readonly deleted_ms: number | null;
    readonly registered_by: string | null;
    readonly description: string | null;
    /** Where a client of another protocol said it came from. */
    readonly source: string | null;
    /** The package's manifest as JSON. */
    readonly manifest: string;
  };
  /** Of a version, or of the model itself: version 0. */
  readonly registry_model_tags: {
    readonly model: string;
    readonly version: number;
    readonly name: string;
    readonly value: string;
  };
  readonly registry_approvals: {
    readonly model: string;
    readonly version: number;
    /** Counts the decisions on this version. */
    readonly decision: number;
    readonly status: string;
    readonly decided_by: string;
    /** Those who approved, as a JSON array, where it took several. */
    readonly approvers: string | null;
    readonly comment: string | null;
    readonly time_ms: number;
  };
  /** One row per move; the newest is what the alias means; version 0: nothing any more. */
  readonly registry_aliases: {
    readonly model: string;
    readonly alias: string;
    readonly version: number;
    readonly time_ms: number;
    readonly move: number;
  };
}
