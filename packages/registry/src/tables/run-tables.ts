/** Rows of experiments and runs. Times are UTC milliseconds; a flag of deletion is the time it happened. */
export interface RunTables {
  readonly registry_experiments: {
    /** The database numbers them from 1. */
    readonly id: number;
    readonly name: string;
    readonly created_ms: number;
    readonly updated_ms: number;
    readonly deleted_ms: number | null;
    /** Where its artifacts lie, as a client was told; null: where the registry keeps them. */
    readonly artifact_root: string | null;
  };
  readonly registry_experiment_tags: { readonly experiment: number; readonly name: string; readonly value: string };
  readonly registry_runs: {
    readonly id: string;
    readonly experiment_id: number;
    readonly name: string;
    readonly parent: string | null;
    readonly status: string;
    readonly started_ms: number;
    readonly ended_ms: number | null;
    readonly deleted_ms: number | null;
    readonly started_by: string | null;
    readonly notes: string | null;
    /** What it is made from: entity references as a JSON array. */
    readonly inputs: string;
  };
  readonly registry_run_tags: { readonly run: string; readonly name: string; readonly value: string };
  readonly registry_params: {
    readonly run: string;
    readonly name: string;
    /** JSON. */
    readonly value: string;
    /** The value as a person writes it: a text without its quotes, anything else as JSON. What a search compares. */
    readonly text: string;
    /** The value, where it is a finite number or a text of one. */
    readonly number: number | null;
  };
  /** The metrics of runs, with what is asked of them most; the database numbers them. */
  readonly registry_series: {
    readonly id: number;
    readonly run: string;
    readonly name: string;
    readonly points: number;
    readonly nans: number;
    readonly last_step: number;
    readonly last_ms: number | null;
    /** Of the greatest step the last logged. Null where `last_exact` says what SQL's numbers cannot. */
    readonly last_value: number | null;
    /** `NaN` or `-0`. */
    readonly last_exact: string | null;
    /** Least and greatest, NaN aside; null where there is nothing else. */
    readonly min_value: number | null;
    readonly min_step: number | null;
    readonly max_value: number | null;
    readonly max_step: number | null;
  };
  /** Points of a series as they were written; the greater id was logged later. */
  readonly registry_chunks: {
    readonly id: number;
    readonly series: number;
    readonly points: number;
    readonly min_step: number;
    readonly max_step: number;
    /** Steps, times and values: three columns of little-endian doubles. */
    readonly data: Uint8Array;
  };
  readonly registry_artifacts: {
    readonly run: string;
    readonly path: string;
    readonly digest: string;
    readonly size_bytes: number;
  };
  /** Datasets that runs read. */
  readonly registry_run_datasets: {
    readonly run: string;
    readonly name: string;
    readonly digest: string;
    readonly source_type: string;
    readonly source: string;
    readonly schema: string | null;
    readonly profile: string | null;
    /** What it was read for, such as `training`; empty where nobody said. */
    readonly context: string;
  };
  /** Entries of journals written elsewhere that the run has. */
  readonly registry_entries: { readonly run: string; readonly source: string; readonly position: number };
}
