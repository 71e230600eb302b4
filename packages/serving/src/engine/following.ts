/** A controller that aborts with a signal, which may outlive it by far: a connection's stands for all its requests. */
export interface Following {
  readonly controller: AbortController;
  /** Takes the ear from the signal. */
  forget(): void;
}

export function follow(signal: AbortSignal | undefined): Following {
  const controller = new AbortController();
  if (signal === undefined) return { controller, forget: () => {} };
  const stop = (): void => controller.abort(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return { controller, forget: () => signal.removeEventListener("abort", stop) };
}
