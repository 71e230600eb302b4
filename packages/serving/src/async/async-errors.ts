import { ServingError } from "../errors.ts";

export const asyncInvalid = (problem: string, remedy: string): ServingError =>
  new ServingError("SERVING_ASYNC_INVALID", `The request cannot be queued: ${problem}.`, { category: "user", remedy });

export const asyncUnknown = (id: string): ServingError =>
  new ServingError("SERVING_ASYNC_UNKNOWN", `There is no async request "${id}".`, {
    category: "user",
    remedy: "Ask by the id that `submit` gave; ended requests are forgotten after `retainMs`.",
  });

export const asyncState = (id: string, state: string, wanted: string): ServingError =>
  new ServingError("SERVING_ASYNC_STATE", `The async request "${id}" is ${state}, and ${wanted}.`, {
    category: "user",
    remedy: "Look at its `state` first.",
  });

export const asyncInputMissing = (location: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_ASYNC_INPUT_MISSING", `The input at ${location} cannot be read.`, {
    category: "user",
    remedy: "Put it there before it is submitted, below the place that `payloads` reads.",
    cause,
  });

export const asyncStoreFailed = (location: string, cause: unknown): ServingError =>
  new ServingError("SERVING_ASYNC_STORE_FAILED", `${location} cannot be written.`, {
    category: "transient",
    remedy: "Look whether the place is there, may be written to, and has room; then try again.",
    retryable: true,
    cause,
  });

export const asyncTimedOut = (id: string, timeoutMs: number): ServingError =>
  new ServingError("SERVING_ASYNC_TIMED_OUT", `The async request "${id}" was not answered within ${timeoutMs} ms.`, {
    category: "transient",
    remedy: "Give it a longer `timeoutMs` (at most an hour), or send less at once.",
    retryable: true,
  });
