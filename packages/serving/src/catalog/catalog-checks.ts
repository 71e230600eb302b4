import { requestInvalid } from "../errors.ts";
import type { ModelCatalogOptions } from "./catalog-options.ts";

/** Throws `SERVING_REQUEST_INVALID`. */
export function checkTarget(target: unknown): void {
  if (typeof target !== "string" || target === "" || target.length > 1024 || /\p{Cc}/u.test(target))
    throw requestInvalid("the name of its target model is not a text of 1 to 1,024 characters", "Send its name.");
}

/** Throws a `RangeError`. */
export function checkCatalogOptions(options: ModelCatalogOptions): void {
  const { memoryBytes, maxConcurrentLoads = 1, maxWaitingLoads = 0, memoryWaitMs = 0 } = options;
  const { backoffMs = 0, maxBackoffMs = 0, overheadBytes = 0, maxProcessBytes = 1, verifiedMs = 0 } = options;
  if (!(memoryBytes > 0))
    throw new RangeError(`memoryBytes of a model catalog must be more than 0, not ${memoryBytes}.`);
  if (!Number.isSafeInteger(maxConcurrentLoads) || maxConcurrentLoads < 1)
    throw new RangeError(`maxConcurrentLoads must be a whole number of at least 1, not ${maxConcurrentLoads}.`);
  const notNegative = {
    maxWaitingLoads,
    memoryWaitMs,
    backoffMs,
    maxBackoffMs,
    overheadBytes,
    maxProcessBytes,
    verifiedMs,
  };
  for (const [name, value] of Object.entries(notNegative))
    if (!(value >= 0)) throw new RangeError(`${name} of a model catalog must be at least 0, not ${value}.`);
}
