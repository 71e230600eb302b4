import { isMillwrightError, MillwrightError, type MillwrightErrorOptions } from "@millwright/contracts";

export type DuckDbErrorCode =
  | "DUCKDB_ACCESS_DENIED"
  | "DUCKDB_ALREADY_OPEN"
  | "DUCKDB_CONVERSION_FAILED"
  | "DUCKDB_DATABASE_CORRUPT"
  | "DUCKDB_DISK_FULL"
  | "DUCKDB_FILE_CHANGED"
  | "DUCKDB_FILE_CORRUPT"
  | "DUCKDB_FILE_EXISTS"
  | "DUCKDB_FILE_LOCKED"
  | "DUCKDB_FILE_MISSING"
  | "DUCKDB_FORMAT_UNKNOWN"
  | "DUCKDB_INTERRUPTED"
  | "DUCKDB_MEMORY_EXHAUSTED"
  | "DUCKDB_PARAMS_INVALID"
  | "DUCKDB_QUERY_FAILED"
  | "DUCKDB_REF_CHANGED"
  | "DUCKDB_RELATION_INVALID"
  | "DUCKDB_SCHEMA_MISMATCH"
  | "DUCKDB_SQL_INVALID"
  | "DUCKDB_STREAM_BROKEN"
  | "DUCKDB_TRANSACTION_CONFLICT"
  | "DUCKDB_TYPE_UNSUPPORTED"
  | "DUCKDB_WORKER_REFUSED";

export class DuckDbError extends MillwrightError<DuckDbErrorCode> {
  override readonly name = "DuckDbError";
}

export const alreadyOpen = (path: string): DuckDbError =>
  new DuckDbError("DUCKDB_ALREADY_OPEN", `The database file ${path} is already open in this process.`, {
    category: "user",
    remedy: "Share the one that is open: a second instance would lose what either of them commits.",
  });

export const workerRefused = (path: string): DuckDbError =>
  new DuckDbError("DUCKDB_WORKER_REFUSED", `The database file ${path} cannot be opened in a worker thread.`, {
    category: "user",
    remedy:
      "Open it in the main thread, or use an in-memory database over Parquet files here: DuckDB cannot see that two threads hold one file.",
  });

export const typeUnsupported = (column: string, type: string): DuckDbError =>
  new DuckDbError(
    "DUCKDB_TYPE_UNSUPPORTED",
    `The column "${column}" has the type ${type}, which has no column layout.`,
    {
      category: "user",
      remedy: `Cast it in SQL, for example CAST("${column}" AS VARCHAR), or select the fields you need.`,
    },
  );

export const formatUnknown = (path: string): DuckDbError =>
  new DuckDbError("DUCKDB_FORMAT_UNKNOWN", `The format of "${path}" cannot be told from its name.`, {
    category: "user",
    remedy: 'Pass `format`: "parquet", "csv" or "ndjson".',
  });

export const fileExists = (path: string): DuckDbError =>
  new DuckDbError("DUCKDB_FILE_EXISTS", `The directory ${path} exists already.`, {
    category: "user",
    remedy: "Write partitions to a directory that does not exist yet, or delete it first.",
  });

export const refChanged = (expected: string, actual: string): DuckDbError =>
  new DuckDbError(
    "DUCKDB_REF_CHANGED",
    `The files hold the dataset ${actual}, not ${expected} that the reference names.`,
    {
      category: "data",
      remedy: "Write the dataset again, or take a new reference of what the files hold now.",
    },
  );

export const fileChanged = (where: string | undefined, expected: number, actual: number): DuckDbError =>
  new DuckDbError(
    "DUCKDB_FILE_CHANGED",
    `${where ?? "What the query reads"} had ${expected} rows, and has ${actual} now: it was changed while it was profiled, or since it was opened.`,
    {
      category: "data",
      remedy: "Scan the files again once nobody writes them; write new files beside them rather than over them.",
    },
  );

export const fileReplaced = (path: string): DuckDbError =>
  new DuckDbError(
    "DUCKDB_FILE_CHANGED",
    `The file ${path} is not the one that was opened: it was written or replaced since.`,
    {
      category: "data",
      remedy: "Open it again; write new files beside those that are read rather than over them.",
    },
  );

export const relationInvalid = (problem: string, remedy: string): DuckDbError =>
  new DuckDbError("DUCKDB_RELATION_INVALID", `The join, grouping or window cannot be made: ${problem}.`, {
    category: "user",
    remedy,
  });

export const streamBroken = (where: string | undefined): DuckDbError =>
  new DuckDbError(
    "DUCKDB_STREAM_BROKEN",
    `DuckDB stopped giving rows${where === undefined ? "" : ` (${where})`} before the last one, and does not say why.`,
    {
      category: "transient",
      remedy: "Read again; where it was memory that ran out, raise `memoryLimitBytes` or read less at one time.",
      retryable: true,
    },
  );

export const fileCut = (path: string, problem: string, cause?: unknown): DuckDbError =>
  new DuckDbError("DUCKDB_FILE_CORRUPT", `The compressed file ${path} is cut short or damaged: ${problem}.`, {
    category: "data",
    remedy: "Write or fetch the file again from its source.",
    cause,
  });

export const paramsInvalid = (problem: string): DuckDbError =>
  new DuckDbError("DUCKDB_PARAMS_INVALID", `The parameters do not fit the statement: ${problem}.`, {
    category: "user",
    remedy:
      "Give a list for `?` or `$1`, or an object for `$name`, with a value for each: null, boolean, number, bigint, string, Date or Uint8Array.",
  });

export const schemaMismatch = (what: string): DuckDbError =>
  new DuckDbError("DUCKDB_SCHEMA_MISMATCH", `The columns do not fit the schema: ${what}.`, {
    category: "user",
    remedy: "Give every batch of a dataset the columns and types that its schema names.",
  });

/** What SQL of ours says of a number that JSON has no text for; a rule below gives it its code. */
export const noJsonNumber = (column: string): string =>
  `The column "${column}" holds NaN or an infinity, which JSON cannot write.`;

type Mapped = Omit<MillwrightErrorOptions, "cause"> & { readonly code: DuckDbErrorCode };

const DATA = { category: "data", retryable: false } as const;
const USER = { category: "user", retryable: false } as const;

/** What DuckDB says, first match wins. DuckDB gives no codes: the prefix before the first colon is all there is. */
const RULES: readonly (readonly [RegExp, Mapped])[] = [
  [
    /Could not set lock on file/,
    {
      code: "DUCKDB_FILE_LOCKED",
      category: "capacity",
      retryable: true,
      remedy: "Close the process that holds it: one process owns a database file at a time.",
    },
  ],
  [
    /No space left on device|max_temp_directory_size|failed to offload data block/i,
    {
      code: "DUCKDB_DISK_FULL",
      category: "capacity",
      remedy: "Free disk space, or put `spillDirectory` on a larger disk.",
    },
  ],
  [
    /^Out of Memory Error/,
    {
      code: "DUCKDB_MEMORY_EXHAUSTED",
      category: "capacity",
      remedy: "Raise `memoryLimitBytes`, lower `threads`, or set `spillDirectory` so that the query can spill.",
    },
  ],
  [/^INTERRUPT Error/, { code: "DUCKDB_INTERRUPTED", category: "transient", remedy: "Run it again.", retryable: true }],
  [
    /No files found that match|No such file or directory/i,
    { code: "DUCKDB_FILE_MISSING", ...USER, remedy: "Check the path; it is taken relative to the working directory." },
  ],
  [
    /not a valid DuckDB database file|Corrupt database file|checksum does not match/,
    { code: "DUCKDB_DATABASE_CORRUPT", ...DATA, remedy: "Restore the database file from a copy." },
  ],
  [
    /No magic bytes|too small to be a Parquet|don't know what type|TProtocolException|decompress|corrupt|Malformed JSON|CSV Error|Error when sniffing file|Invalid string encoding found in Parquet|Out of buffer|Footer length|read_parquet|but the Parquet|Failed to read/i,
    {
      code: "DUCKDB_FILE_CORRUPT",
      ...DATA,
      remedy: "Write the file again from its source; if it is sound, check the format and the column types you passed.",
    },
  ],
  [
    /which JSON cannot write/,
    { code: "DUCKDB_CONVERSION_FAILED", ...DATA, remedy: "Write null in its place, or write Parquet or CSV." },
  ],
  [
    /^(Permission Error|Missing Extension Error|Extension Autoloading Error)/,
    {
      code: "DUCKDB_ACCESS_DENIED",
      ...USER,
      remedy: "Stay within `allowedDirectories`; extensions are never downloaded.",
    },
  ],
  [
    /^(Conversion Error|Mismatch Type Error|Out of Range Error)/,
    { code: "DUCKDB_CONVERSION_FAILED", ...DATA, remedy: "Mend the value, or read the column with a wider type." },
  ],
  [
    /^TransactionContext Error/,
    { code: "DUCKDB_TRANSACTION_CONFLICT", category: "transient", remedy: "Run the statement again.", retryable: true },
  ],
  [
    /^(Parser|Binder|Catalog|Syntax) Error/,
    { code: "DUCKDB_SQL_INVALID", ...USER, remedy: "Mend the SQL; `identifier(name)` quotes names." },
  ],
];

const FALLBACK: Mapped = {
  code: "DUCKDB_QUERY_FAILED",
  ...USER,
  remedy: "Read what DuckDB says above.",
};

/**
 * Gives a failure of DuckDB its code.
 * @param error What DuckDB threw, or words in its manner for what it would not notice itself.
 * @param where What was done, when it adds to the message: the file that was read.
 */
export function fromDuckDb(error: unknown, where?: string): MillwrightError {
  if (isMillwrightError(error)) return error;
  const words = error instanceof Error ? error.message : String(error);
  // The first lines say what happened; the rest quotes the SQL, which may be long and may hold data.
  const text = (words.split(/\n\s*\n|\n(?:Possible fixes|The search space)/)[0] ?? words).trim();
  const { code, ...options } = RULES.find(([pattern]) => pattern.test(text))?.[1] ?? FALLBACK;
  const named = /^\s*file = (.+)$/m.exec(words)?.[1] ?? where;
  const place = named === undefined || text.includes(named) ? "" : ` (${named})`;
  return new DuckDbError(code, `DuckDB: ${text}${place}${/[.!?]$/.test(text + place) ? "" : "."}`, {
    ...options,
    cause: error instanceof Error ? error : undefined,
  });
}
