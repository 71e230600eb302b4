/**
 * These files are what an exported module is made of (`../edge/join-modules.ts`): they import each other and pure neighbours alone, use nothing but
 * ECMAScript, and have no two names alike at their top. What a browser adds, `trust.ts` and `load.ts` look for when they are called.
 */
export type EdgeErrorCode =
  | "MODEL_GOLDEN_MISMATCH"
  | "MODEL_INPUT_MISMATCH"
  | "MODEL_SIGNATURE_INVALID"
  | "PORT_MODEL_CORRUPT";

export interface EdgeErrorDetails {
  /** The field or input that is wrong. */
  readonly field?: string | undefined;
  /** Its row, of several. */
  readonly row?: number | undefined;
  readonly cause?: unknown;
}

/** What an exported module throws: the codes, and the sense, of the errors of the house. */
export class EdgeError extends Error {
  override readonly name = "EdgeError";
  readonly code: EdgeErrorCode;
  readonly category: "data" | "user";
  readonly remedy: string;
  readonly retryable = false;
  readonly field: string | undefined;
  readonly row: number | undefined;
  constructor(code: EdgeErrorCode, message: string, remedy: string, { field, row, cause }: EdgeErrorDetails = {}) {
    super(`${message} ${remedy}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.category = code === "MODEL_INPUT_MISMATCH" ? "user" : "data";
    this.remedy = remedy;
    this.field = field;
    this.row = row;
  }
}

export const fieldInvalid = (field: string, problem: string, expected: string, row?: number): EdgeError =>
  new EdgeError(
    "MODEL_INPUT_MISMATCH",
    `The field "${field}"${row === undefined ? "" : ` of row ${row}`} does not fit the model: ${problem}.`,
    `Give ${expected}.`,
    { field, row },
  );

export const moduleCorrupt = (problem: string, cause?: unknown): EdgeError =>
  new EdgeError("PORT_MODEL_CORRUPT", `The exported model is damaged: ${problem}.`, "Export it again.", { cause });

/** A value as a message shows it, cut short. */
export function shownValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}
