import { ServingError } from "../errors.ts";

/** What came before the request was taken: the server has surely not begun with it. */
export const unreachable = (where: string, problem: string, cause: unknown, retryable = true): ServingError =>
  new ServingError("SERVING_CLIENT_UNREACHABLE", `No connection to ${where} could be made: ${problem}.`, {
    category: "transient",
    remedy: retryable
      ? "Look whether it runs and whether its address is right."
      : "Mend the address or the certificate; trying again does not help.",
    retryable,
    cause,
  });

export const connectionLost = (where: string, problem: string, cause: unknown): ServingError =>
  new ServingError("SERVING_CLIENT_CONNECTION_LOST", `${where} was asked, and the answer broke off: ${problem}.`, {
    category: "transient",
    remedy: "Ask again; where it comes back, look at what stands between and at the server's log.",
    retryable: true,
    cause,
  });

/** @param what `the attempt`, or `the request`. */
export const clientTimedOut = (where: string, what: string, timeoutMs: number, cause?: unknown): ServingError =>
  new ServingError("SERVING_CLIENT_TIMED_OUT", `${where} did not answer ${what} within ${timeoutMs} ms.`, {
    category: "transient",
    remedy: "Send fewer rows, wait longer (`deadlineMs`, `attemptTimeoutMs`), or look at what slows the server.",
    retryable: true,
    cause,
  });

/** What a server said with an answer that is none. */
export interface Refusal {
  readonly where: string;
  readonly status: number;
  /** Its own words. */
  readonly problem: string;
  /** The code of an error of Millwright's, where it is one. */
  readonly code?: string | undefined;
  /** What it says about trying again; else its status decides. */
  readonly retryable?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

const told = ({ where, status, problem, code }: Refusal): string =>
  `${where} answered ${status}${code === undefined ? "" : ` ${code}`}: ${problem.replace(/\.$/, "")}.`;

export const serverBusy = (refusal: Refusal): ServingError =>
  new ServingError("SERVING_CLIENT_BUSY", told(refusal), {
    category: "capacity",
    remedy: "Ask again later, or less often.",
    retryable: refusal.retryable ?? true,
    retryAfterMs: refusal.retryAfterMs,
    cause: refusal.cause,
  });

export const accessDenied = (refusal: Refusal): ServingError =>
  new ServingError("SERVING_CLIENT_ACCESS_DENIED", told(refusal), {
    category: "user",
    remedy: "Give the client a credential that may ask (`headers`), or mend the server's policy.",
    cause: refusal.cause,
  });

export const remoteModelUnknown = (refusal: Refusal): ServingError =>
  new ServingError("SERVING_CLIENT_MODEL_UNKNOWN", told(refusal), {
    category: "user",
    remedy: "Name a model, version or route that the server has.",
    cause: refusal.cause,
  });

export const requestRefused = (refusal: Refusal): ServingError =>
  new ServingError("SERVING_CLIENT_REFUSED", told(refusal), {
    category: "user",
    remedy:
      "Mend the request as the server says; where it should fit, generate the client again from the model served.",
    cause: refusal.cause,
  });

export const serverFailed = (refusal: Refusal, retryable: boolean): ServingError =>
  new ServingError("SERVING_CLIENT_SERVER_FAILED", told(refusal), {
    category: "transient",
    remedy: retryable
      ? "Ask again, or ask another replica."
      : "Look at the server's log: the same request fails again.",
    retryable,
    retryAfterMs: refusal.retryAfterMs,
    cause: refusal.cause,
  });

export const answerInvalid = (where: string, problem: string, cause?: unknown): ServingError =>
  new ServingError(
    "SERVING_CLIENT_ANSWER_INVALID",
    `The answer of ${where} is not what the protocol and the signature say: ${problem.replace(/\.$/, "")}.`,
    {
      category: "bug",
      remedy: "Generate the client again from the model that is served, or name the protocol that the server speaks.",
      cause,
    },
  );

export const signatureUnreadable = (where: string, problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_CLIENT_SIGNATURE_INVALID", `The signature of ${where} cannot be used: ${problem}.`, {
    category: "user",
    remedy: "Name a manifest or a model whose inputs and outputs have names, element types and shapes.",
    cause,
  });

/** The error for an answer that is no success, by its status: one place for all protocols. */
export function refusalError(refusal: Refusal): ServingError {
  const { status, retryAfterMs, retryable } = refusal;
  if (status === 401 || status === 403) return accessDenied(refusal);
  if (status === 404) return remoteModelUnknown(refusal);
  if (status === 429 || (status === 503 && retryAfterMs !== undefined)) return serverBusy(refusal);
  if (status === 408) return serverFailed(refusal, retryable ?? true);
  if (status >= 500) return serverFailed(refusal, retryable ?? (status === 502 || status === 503 || status === 504));
  return requestRefused(refusal);
}
