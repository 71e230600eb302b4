/** Rows of webhooks. Times are UTC milliseconds. */
export interface DeliveryTables {
  readonly registry_webhooks: {
    readonly id: string;
    /** The last event that is done with. */
    readonly cursor: number;
    readonly delivered: number;
    /** 1 where its receiver wants no more. */
    readonly ended: number;
    readonly rewinds: number;
    readonly updated_ms: number;
  };
  readonly registry_undelivered: { readonly webhook: string; readonly cursor: number; readonly time_ms: number };
  /** The log that `emit` appends to: the storage's own table, read only. */
  readonly millwright_events: { readonly cursor: number };
}
