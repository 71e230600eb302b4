export interface InOrderOptions {
  /** Results that are made before they are asked for. */
  readonly ahead: number;
  /** Pieces of work that run at once. */
  readonly parallel: number;
}

/** Results of work on what an iterator gives, in its order, some of them made before they are asked for. */
export interface InOrder<Result> extends AsyncDisposable {
  next(): Promise<IteratorResult<Result, undefined>>;
}

type Outcome<Result> = { readonly value: Result } | undefined;

/** Asks the source for its next while earlier results are waited for; a failure comes in its place, and ends it. Disposing ends the source. */
export function inOrder<Item, Result>(
  source: AsyncIterator<Item>,
  work: (item: Item) => Result | Promise<Result>,
  { ahead, parallel }: InOrderOptions,
): InOrder<Result> {
  const waiting: Promise<Outcome<Result>>[] = [];
  /** Ends of the newest pieces of work; it is over with each whether it failed or not. */
  let running: Promise<unknown>[] = [];
  let ended = false;

  const start = (): Promise<Outcome<Result>> => {
    const before = running.length < parallel ? undefined : running[0];
    const pulled = source.next();
    const outcome = (async () => {
      const item = await pulled;
      if (item.done === true) {
        ended = true;
        return undefined;
      }
      await before;
      return { value: await work(item.value) };
    })();
    const over = outcome.catch(() => {
      ended = true;
    });
    running = [...running, over].slice(-parallel);
    return outcome;
  };
  const fill = (wanted: number): void => {
    while (!ended && waiting.length < wanted) waiting.push(start());
  };
  return {
    async next() {
      fill(1);
      const first = waiting.shift();
      fill(ahead);
      const outcome = await first?.catch((error: unknown) => {
        waiting.length = 0;
        throw error;
      });
      if (outcome !== undefined) return { done: false, value: outcome.value };
      waiting.length = 0;
      return { done: true, value: undefined };
    },
    async [Symbol.asyncDispose]() {
      ended = true;
      const left = waiting.splice(0);
      await source.return?.();
      await Promise.allSettled(left);
    },
  };
}
