/** A signal that aborts with another one's, or when a time is up. Disposed, it leaves nothing behind at the other one, which may live for weeks. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

export function deadlineOf(signal: AbortSignal | undefined, timeoutMs: number): Deadline {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener("abort", abort, { once: true });
  const late = new DOMException(`it takes longer than ${timeoutMs} ms`, "TimeoutError");
  const timer = setTimeout(() => controller.abort(late), Math.min(timeoutMs, 2 ** 31 - 1));
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    },
  };
}
