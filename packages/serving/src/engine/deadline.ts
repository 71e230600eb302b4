import { type Clock, abortable } from "@millwright/contracts";
import { deadlineExceeded } from "../admission/errors.ts";
import { hear } from "./following.ts";

export interface Deadline {
  readonly endpoint: string;
  /** From now, milliseconds. */
  readonly deadlineMs: number;
  readonly clock: Pick<Clock, "sleep">;
}

/**
 * Runs `work` with a signal that aborts with the caller's, or when the time is over; then it does not wait for the work.
 * Throws `SERVING_DEADLINE_EXCEEDED`, the caller's reason, and what the work throws.
 */
export async function withinDeadline<Result>(
  { endpoint, deadlineMs, clock }: Deadline,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  if (!(deadlineMs > 0)) throw deadlineExceeded(endpoint, deadlineMs);
  const both = new AbortController();
  const done = new AbortController();
  const forget = signal === undefined ? undefined : hear(signal, () => both.abort(signal.reason));
  clock.sleep(deadlineMs, { signal: done.signal }).then(
    () => both.abort(deadlineExceeded(endpoint, deadlineMs)),
    () => {},
  );
  try {
    return await abortable(work(both.signal), both.signal);
  } finally {
    // A reason that nobody reads: making one of the runtime's own would cost more than the rest.
    done.abort("done");
    forget?.();
  }
}

/** Waits for the work, and when that takes longer, for what comes of it then. */
export async function atMost(
  timeoutMs: number | undefined,
  clock: Pick<Clock, "sleep">,
  work: Promise<unknown>,
  onTimeout: () => void,
): Promise<void> {
  const done = new AbortController();
  if (timeoutMs !== undefined) clock.sleep(timeoutMs, { signal: done.signal }).then(onTimeout, () => {});
  await work;
  done.abort();
}
