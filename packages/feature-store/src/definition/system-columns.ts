/** Columns that the history adds to a view's own; views may not have them. */
export const SYSTEM_COLUMNS: readonly SystemColumn[] = [
  "write_time",
  "api_invocation_time",
  "is_deleted",
  "expires_time",
];

export type SystemColumn = "write_time" | "api_invocation_time" | "is_deleted" | "expires_time";

/** Names the rules that a row broke and was stored all the same. Only in batches that went through a gate. */
export const FAILED_RULES = "failed_rules";
/** What a gate says of a row on its way, before it is in any file. */
export const VERDICT = "_verdict";
/** Columns that views may not have. */
export const RESERVED_COLUMNS: readonly string[] = [
  "ds",
  "_sequence",
  "available_time",
  ...SYSTEM_COLUMNS,
  FAILED_RULES,
  VERDICT,
];
