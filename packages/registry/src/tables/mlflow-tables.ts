/** Rows of what only MLflow's protocol knows. Times are UTC milliseconds; a flag of deletion is the time it happened. */
export interface MlflowTables {
  /** Models that were logged, registered or not. */
  readonly registry_logged_models: {
    readonly id: string;
    readonly experiment: number;
    readonly name: string;
    readonly type: string | null;
    /** `LOGGED_MODEL_PENDING` and the like. */
    readonly status: string;
    readonly source_run: string | null;
    readonly created_ms: number;
    readonly updated_ms: number;
    readonly deleted_ms: number | null;
  };
  readonly registry_logged_model_tags: { readonly model: string; readonly name: string; readonly value: string };
  readonly registry_logged_model_params: { readonly model: string; readonly name: string; readonly value: string };
  /** Points that a run logged of a model. A point is kept once. */
  readonly registry_logged_model_metrics: {
    /** The database numbers them. */
    readonly id: number;
    readonly model: string;
    readonly run: string;
    readonly name: string;
    readonly step: number;
    readonly time_ms: number;
    /** Null where `exact` says what SQL's numbers cannot. */
    readonly value: number | null;
    /** `NaN` or `-0`. */
    readonly exact: string | null;
    /** Empty where none was named. */
    readonly dataset: string;
    readonly dataset_digest: string;
  };
  readonly registry_logged_model_artifacts: {
    readonly model: string;
    readonly path: string;
    readonly digest: string;
    readonly size_bytes: number;
  };
  /** A view: the tags of models themselves. */
  readonly registry_model_own_tags: { readonly model: string; readonly name: string; readonly value: string };
  /** Models that runs read (`input`) and made (`output`). */
  readonly registry_run_models: {
    readonly run: string;
    readonly model: string;
    readonly role: string;
    readonly step: number;
  };
  /** What MLflow's clients said of a version; no row: nothing. */
  readonly registry_mlflow_versions: {
    readonly model: string;
    readonly version: number;
    /** `None`, `Staging`, `Production` or `Archived`. */
    readonly stage: string;
    readonly run_link: string | null;
    readonly logged_model: string | null;
  };
}
