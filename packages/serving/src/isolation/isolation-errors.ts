import { MillwrightError } from "@millwright/contracts";
import { ServingError, modelFailed } from "../errors.ts";
import type { WireError } from "./frames.ts";

export const workerStartFailed = (what: string, problem: string): ServingError =>
  new ServingError(
    "SERVING_WORKER_START_FAILED",
    `A worker for ${what} did not start: ${problem.replace(/\.$/, "")}.`,
    {
      category: "bug",
      remedy: "Mend the module or program that it runs, or the model that ends it.",
    },
  );

export const workerLost = (model: string, problem: string): ServingError =>
  new ServingError(
    "SERVING_WORKER_LOST",
    `The worker of the model "${model}" was lost before it answered: ${problem.replace(/\.$/, "")}.`,
    {
      category: "transient",
      remedy: "Ask again; where it comes back, look at why the workers end.",
      retryable: true,
    },
  );

export const workersDown = (model: string, waitedMs: number): ServingError =>
  new ServingError("SERVING_WORKER_LOST", `No worker of the model "${model}" came up within ${waitedMs} ms.`, {
    category: "transient",
    remedy: "Ask again later; the log says why its workers end.",
    retryable: true,
  });

export const requestQuarantined = (model: string, digest: string): ServingError =>
  new ServingError(
    "SERVING_REQUEST_QUARANTINED",
    `The request ${digest} has ended two workers of the model "${model}", and is not asked again.`,
    { category: "data", remedy: "Keep the inputs for whoever mends the model; send others." },
  );

/** The error that a worker told, as it was thrown there: errors of the house keep their code, others are a failure of the model. */
export function revived(model: string, { name, message, code, category, remedy, retryable }: WireError): Error {
  if (code !== undefined && category !== undefined && remedy !== undefined)
    return new MillwrightError(code, message, { category, remedy, retryable });
  return modelFailed(
    model,
    `${name === undefined || name === "Error" ? "" : `${name}: `}${message.replace(/\.$/, "")}`,
  );
}

export const runtimeAbsent = (formats: readonly string[], cause: unknown): ServingError =>
  new ServingError(
    "SERVING_RUNTIME_ABSENT",
    `The runtime for ${formats.join(", ")} cannot be opened: ${(cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, "")}.`,
    { category: "user", remedy: "Install its library, or serve the model in another format.", cause },
  );

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

export const memoryExhausted = (model: string, needed: number, used: number, limit: number): ServingError =>
  new ServingError(
    "SERVING_MEMORY_EXHAUSTED",
    `The model "${model}" needs about ${mebibytes(needed)} to be loaded, and ${mebibytes(used)} of ${mebibytes(limit)} are in use.`,
    {
      category: "capacity",
      remedy: "Serve fewer models here, evict some, or give the server more memory.",
      retryable: true,
    },
  );

export const concurrencyExceeded = (endpoint: string, most: number): ServingError =>
  new ServingError(
    "SERVING_CONCURRENCY_EXCEEDED",
    `The endpoint "${endpoint}" has ${most} requests under way, and takes no more at once.`,
    { category: "quota", remedy: "Ask again when one is answered, or raise `maxConcurrency`.", retryable: true },
  );
