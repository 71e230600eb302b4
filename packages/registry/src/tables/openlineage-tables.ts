/** Rows of received lineage. Times are UTC milliseconds. */
export interface OpenLineageTables {
  /** Events of OpenLineage as they came, each once. */
  readonly registry_openlineage: {
    /** The digest of its content. */
    readonly key: string;
    /** Of events of runs. */
    readonly run: string | null;
    /** When it happened, as it says itself. */
    readonly time_ms: number;
    readonly received_ms: number;
    /** JSON. */
    readonly body: string;
  };
  /** Which datasets an event names. */
  readonly registry_openlineage_datasets: { readonly dataset: string; readonly event: string };
}
