/** The one checkpoint that is being written while the training goes on. */
export class SavingInFlight {
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** Call it when the one before has settled. */
  begin(writing: Promise<void>): void {
    const settled = writing.catch((error: unknown) => {
      this.#failure = { error };
    });
    this.#writing = settled;
  }

  /** Throws what the last has failed of, as soon as it has. */
  throwIfFailed(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  /** Resolves when nothing is being written. Throws what writing it has failed of. */
  async settled(): Promise<void> {
    await this.#writing;
    this.#writing = undefined;
    this.throwIfFailed();
  }
}
