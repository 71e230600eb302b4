/** Who wants to know of the commits of one database. */
export class CommitListeners {
  readonly #path: string;
  readonly #listeners = new Set<() => void>();

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns what stops it. */
  add(listener: () => void): () => void {
    if (typeof listener !== "function") throw new TypeError(`A listener must be a function, not ${typeof listener}.`);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#listeners.delete(listener);
        process.emitWarning(
          `A listener to the commits of "${this.#path}" threw and was removed: ${error instanceof Error ? error.message : typeof error}.`,
        );
      }
    }
  }
}
