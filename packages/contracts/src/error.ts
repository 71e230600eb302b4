/**
 * What kind of failure an error is, that is, whose move it is: the call's (`user`), a passing trouble's (`transient`), a full machine's or
 * queue's (`capacity`), a limit's that somebody set (`quota`), the rows' or files' (`data`), the program's (`bug`).
 * Retry code may look only at this and `retryable`.
 */
export type ErrorCategory = "user" | "transient" | "capacity" | "quota" | "data" | "bug";

export interface MillwrightErrorOptions {
  /** What kind of failure it is; retry code may look only at this and `retryable`. */
  readonly category: ErrorCategory;
  /** What the caller can do about it, as a sentence. */
  readonly remedy: string;
  /** True when the same call may succeed later, unchanged. Default: false. */
  readonly retryable?: boolean | undefined;
  /** Where the code is explained. Default: `docs/errors.md#` and the code in lower case, for the codes of Millwright itself. */
  readonly docs?: string | undefined;
  /** What was thrown underneath, if anything. */
  readonly cause?: unknown;
}

/**
 * The one error class of the house. Packages narrow `Code` to the codes they throw.
 * The message is what happened, with the offending value, followed by the remedy.
 */
export class MillwrightError<Code extends string = string> extends Error {
  override readonly name: string = "MillwrightError";
  readonly code: Code;
  readonly category: ErrorCategory;
  readonly remedy: string;
  readonly retryable: boolean;
  /**
   * Where the code is explained: a page and a heading in Millwright's repository, such as `docs/errors.md#port_closed`, or what was given
   * as `docs`. Errors of installs older than this member have none.
   */
  readonly docs: string;

  constructor(code: Code, message: string, options: MillwrightErrorOptions) {
    super(`${message} ${options.remedy}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.category = options.category;
    this.remedy = options.remedy;
    this.retryable = options.retryable ?? false;
    this.docs = options.docs ?? `docs/errors.md#${code.toLowerCase()}`;
  }
}

/** Tells errors apart by code: unlike `instanceof`, it holds across duplicate installs. Asks for our code, category and remedy. */
export function hasCode<Code extends string>(error: unknown, code: Code): error is MillwrightError<Code> {
  return isMillwrightError(error) && error.code === code;
}

/** True for every error of the house, whichever install of contracts it came from. */
export function isMillwrightError(error: unknown): error is MillwrightError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    "category" in error &&
    typeof error.category === "string" &&
    "remedy" in error &&
    typeof error.remedy === "string"
  );
}
