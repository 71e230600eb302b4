/** Calls back when a signal aborts. Any number may wait on one signal, with one listener on it: more than ten of them make Node warn of a leak. */
export class WaitingSignals {
  readonly #waiting = new Map<AbortSignal, { readonly calls: Set<() => void>; readonly listener: () => void }>();

  /** @returns what forgets the call. */
  add(signal: AbortSignal, call: () => void): () => void {
    let entry = this.#waiting.get(signal);
    if (entry === undefined) {
      const calls = new Set<() => void>();
      entry = { calls, listener: () => calls.forEach((each) => each()) };
      this.#waiting.set(signal, entry);
      signal.addEventListener("abort", entry.listener, { once: true });
    }
    const { calls, listener } = entry;
    calls.add(call);
    return () => {
      calls.delete(call);
      if (calls.size > 0) return;
      signal.removeEventListener("abort", listener);
      if (this.#waiting.get(signal)?.calls === calls) this.#waiting.delete(signal);
    };
  }
}
