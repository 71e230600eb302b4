/** Rows of what is written down about versions. Times are UTC milliseconds. */
export interface RecordTables {
  /** License, data terms and dependencies of a version, as JSON. */
  readonly registry_materials: {
    readonly model: string;
    readonly version: number;
    readonly content: string;
    readonly set_by: string | null;
    readonly time_ms: number;
  };
  /** One row per revision of a model card; the newest is the card. Revision 0: nobody has edited it, and its status was set. */
  readonly registry_cards: {
    readonly model: string;
    readonly version: number;
    readonly revision: number;
    /** Of the newest revision it is the card's status now, of others what it was when the next came. */
    readonly status: string;
    /** All that people wrote so far, as JSON. */
    readonly edits: string;
    /** What the ledger said at that time and over it the edits, as JSON. */
    readonly content: string;
    readonly edited_by: string;
    readonly time_ms: number;
  };
}
