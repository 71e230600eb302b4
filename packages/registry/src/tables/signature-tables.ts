/** Rows of signatures. Times are UTC milliseconds. */
export interface SignatureTables {
  /** Of a package, by its digest: whoever has registered the same bytes has the same signatures. */
  readonly registry_signatures: {
    readonly digest: string;
    /** Digest of the artifact that holds the envelope. */
    readonly envelope: string;
    /** In the order they came. */
    readonly position: number;
    readonly added_by: string | null;
    readonly added_ms: number;
  };
}
