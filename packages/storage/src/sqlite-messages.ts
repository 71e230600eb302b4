/** What a thread that owns SQLite connections is started with. */
export interface SqliteThreadData {
  readonly path: string;
  readonly mode: "writer" | "reader";
  readonly busyTimeoutMs: number;
  readonly durability: "full" | "normal";
  /** Most 4096-byte pages the file may have. */
  readonly maxPages: number | undefined;
  /** The cells of a `ThreadGate`. */
  readonly gate: SharedArrayBuffer;
}

export interface SqliteStatement {
  readonly sql: string;
  /** Values for the statement's `?`, for one run. */
  readonly parameters?: readonly unknown[] | undefined;
  /** Values for many runs of the statement, prepared once. */
  readonly rows?: readonly (readonly unknown[])[] | undefined;
}

/** An event as its row in the log: `body` is the JSON text that is stored and hashed. */
export interface EventRow {
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

/** What the main thread asks. Requests are done strictly in the order they were posted. */
export type SqliteRequest =
  | { readonly op: "begin"; /** True where its commit need not wait for the disk. */ readonly relaxed: boolean }
  | { readonly op: "sync" | "savepoint" | "release" | "undo" | "commit" | "rollback" | "close" }
  | { readonly op: "query"; readonly connection: number; readonly sql: string; readonly parameters: readonly unknown[] }
  | { readonly op: "apply"; readonly statements: readonly SqliteStatement[]; readonly events: readonly EventRow[] }
  | { readonly op: "append"; readonly events: readonly EventRow[] }
  | { readonly op: "openConnection" | "closeConnection" | "streamNext"; readonly connection: number }
  | {
      readonly op: "streamStart";
      readonly connection: number;
      readonly sql: string;
      readonly parameters: readonly unknown[];
      readonly chunkRows: number;
    };

export type SqliteRow = Record<string, unknown>;

export interface SqliteQueryResult {
  readonly rows: SqliteRow[];
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

export interface SqliteApplyResult {
  readonly results: readonly SqliteQueryResult[];
  readonly cursors: readonly number[];
}

export interface SqliteStreamChunk {
  readonly rows: SqliteRow[];
  readonly done: boolean;
}

/** An error on its way between threads, where classes do not survive. */
export interface SqliteFailure {
  readonly message: string;
  /** SQLite's extended result code; `undefined` where the failure is not SQLite's. */
  readonly resultCode: number | undefined;
  /** A code of this package that the thread itself gave. */
  readonly problem?: "value" | "foreign" | "newer" | "closed" | undefined;
  /** Which parameter, for a refused value; the version found, for a newer format. */
  readonly detail?: number | undefined;
  readonly sql?: string | undefined;
}

export type SqliteReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: SqliteFailure };
