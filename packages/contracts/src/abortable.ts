/**
 * The promise's outcome, or the signal's reason when that aborts first. The work behind the promise is not stopped by it: for waiting on what
 * cannot take a signal.
 */
export async function abortable<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    // Who lost the race may still reject; nobody listens then.
    promise.catch(() => {});
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}
