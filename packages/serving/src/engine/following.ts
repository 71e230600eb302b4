interface Ears {
  readonly all: Set<() => void>;
  readonly listener: () => void;
}

const ears = new WeakMap<AbortSignal, Ears>();

/**
 * Calls `stop` when the signal aborts, unless it is forgotten before. However many hear one signal, a caller's for all that it asks, it has one listener of ours:
 * Node takes more than ten for a leak and says so. @returns what forgets it.
 */
export function hear(signal: AbortSignal, stop: () => void): () => void {
  const known = ears.get(signal) ?? listenTo(signal);
  // A function of its own for each call: one that is given twice is heard twice.
  const heard = (): void => stop();
  known.all.add(heard);
  return () => {
    if (!known.all.delete(heard) || known.all.size > 0 || ears.get(signal) !== known) return;
    ears.delete(signal);
    signal.removeEventListener("abort", known.listener);
  };
}

function listenTo(signal: AbortSignal): Ears {
  const all = new Set<() => void>();
  const listener = (): void => {
    ears.delete(signal);
    const heard = [...all];
    all.clear();
    for (const each of heard) each();
  };
  const made: Ears = { all, listener };
  ears.set(signal, made);
  signal.addEventListener("abort", listener, { once: true });
  return made;
}

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
  if (!signal.aborted) return { controller, forget: hear(signal, stop) };
  stop();
  return { controller, forget: () => {} };
}
