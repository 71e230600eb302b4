/** Columns that the history adds to a view's own; views may not have them. */
export const SYSTEM_COLUMNS: readonly SystemColumn[] = [
  "write_time",
  "api_invocation_time",
  "is_deleted",
  "expires_time",
];

export type SystemColumn = "write_time" | "api_invocation_time" | "is_deleted" | "expires_time";
