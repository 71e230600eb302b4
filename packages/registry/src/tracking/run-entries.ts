import type {
  CallOptions,
  Digest,
  EntityReference,
  EventId,
  JsonValue,
  MetricPoint,
  RunId,
  RunStatus,
} from "@millwright/contracts";

/** How a run that was logged elsewhere began. */
export interface RunStart {
  readonly id: RunId;
  readonly experiment: string;
  readonly name: string;
  readonly parentRunId?: RunId | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly from: readonly EntityReference[];
  readonly by?: string | undefined;
  readonly causedBy?: EventId | undefined;
  /** UTC, milliseconds. */
  readonly startedMs: number;
}

/** One thing that was logged to a run elsewhere. */
export type RunEntry =
  | {
      readonly kind: "log";
      readonly params?: Params | undefined;
      readonly metrics?: readonly MetricPoint[] | undefined;
    }
  | { readonly kind: "artifact"; readonly path: string; readonly digest: Digest; readonly sizeBytes: number }
  | { readonly kind: "end"; readonly status: Exclude<RunStatus, "running">; readonly endedMs: number }
  /** It went on after it had ended. */
  | { readonly kind: "resume" };

type Params = Readonly<Record<string, JsonValue>>;

/** An entry with its place in the journal that it was written to. */
export interface PlacedEntry {
  /** From 1, in the order they were written. */
  readonly position: number;
  readonly entry: RunEntry;
}

/** What the target had otherwise than the journal. */
export interface ImportConflict {
  readonly run: RunId;
  /** `deleted`: the target refused the run, which was deleted there; `sync` takes it once it is restored. */
  readonly kind: "param" | "status" | "deleted" | "experiment";
  /** The param's name; empty otherwise. */
  readonly name: string;
  readonly stored: JsonValue;
  readonly given: JsonValue;
}

export interface ImportReport {
  /** Entries written now. */
  readonly imported: number;
  /** Entries that were there already. */
  readonly known: number;
  readonly conflicts: readonly ImportConflict[];
}

export interface ImportOptions extends CallOptions {
  /** Which value of a param stays where the run has another. Default: `stored`. */
  readonly prefer?: "stored" | "given" | undefined;
  /** The params that the journal had before the first of the entries: replacing its own value is no conflict. Default: none. */
  readonly before?: Readonly<Record<string, JsonValue>> | undefined;
}

/** Takes in runs that were logged elsewhere. */
export interface RunImport {
  /**
   * Writes those of `entries` that the run does not have yet; a run that is not there is made as `start` says. What was written before a rejection
   * stays: called again, it goes on. Each entry of a `source` is taken once, whoever brings it and however often. Throws `REGISTRY_RUN_DELETED` while the
   * run is deleted here.
   * @param source Names the journal: 1 to 500 characters.
   * @param entries By position.
   */
  importRun(
    source: string,
    start: RunStart,
    entries: readonly PlacedEntry[],
    options?: ImportOptions,
  ): Promise<ImportReport>;
  /** The greatest position of `source` that the run has; 0 where it has none. */
  importedPosition(source: string, run: RunId, options?: CallOptions): Promise<number>;
}
