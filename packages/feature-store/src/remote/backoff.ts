import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const FIRST_MS = 25;
const LONGEST_MS = 1000;

/**
 * Waits longer each time, by chance, so that those who were refused together do not come back together.
 * @returns what waits; it gives false once all waits together would be longer than `maxRetryMs`.
 */
export function createBackoff(maxRetryMs: number, signal: AbortSignal | undefined): () => Promise<boolean> {
  let waitedMs = 0;
  let stepMs = FIRST_MS;
  return async () => {
    const waitMs = Math.ceil((stepMs * randomInt(500, 1001)) / 1000);
    waitedMs += waitMs;
    if (waitedMs > maxRetryMs) return false;
    stepMs = Math.min(stepMs * 2, LONGEST_MS);
    await sleep(waitMs, undefined, { signal }).catch(() => {});
    signal?.throwIfAborted();
    return true;
  };
}
