import { ServingError } from "../errors.ts";

/** @param retryAfterMs When those who wait now will have been answered. */
export const overloaded = (endpoint: string, problem: string, retryAfterMs: number | undefined): ServingError =>
  new ServingError("SERVING_OVERLOADED", `The endpoint "${endpoint}" takes no more requests now: ${problem}.`, {
    category: "capacity",
    remedy: "Ask again later, or add replicas.",
    retryable: true,
    retryAfterMs,
  });

export const requestShed = (endpoint: string, reason: string, retryAfterMs: number | undefined): ServingError =>
  new ServingError("SERVING_REQUEST_SHED", `The endpoint "${endpoint}" turned the request away: ${reason}.`, {
    category: "capacity",
    remedy: "Ask again later, with a longer deadline or a higher priority, or add replicas.",
    retryable: true,
    retryAfterMs,
  });

export const deadlineExceeded = (endpoint: string, deadlineMs: number): ServingError =>
  new ServingError("SERVING_DEADLINE_EXCEEDED", `The endpoint "${endpoint}" did not answer within ${deadlineMs} ms.`, {
    category: "transient",
    remedy: "Ask again, with a longer deadline.",
    retryable: true,
  });
