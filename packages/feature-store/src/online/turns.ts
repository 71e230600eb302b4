import { abortable } from "@millwright/contracts";

/** Work on one key waits for the work on it that was begun before. */
export function createKeyedTurns(): <Result>(key: string, work: () => Promise<Result>) => Promise<Result> {
  const turns = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const turn = (turns.get(key) ?? Promise.resolve()).then(work, work);
    const settled = turn
      .catch(() => {})
      .finally(() => {
        if (turns.get(key) === settled) turns.delete(key);
      });
    turns.set(key, settled);
    return turn;
  };
}

/** Many may push at once, but nobody while all of a view's rows are put in place of others: a row pushed then would be in neither. */
export interface Turns {
  among<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
  alone<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
}

export function createTurns(): Turns {
  let running = 0;
  let idle: (() => void) | undefined;
  let last: Promise<unknown> | undefined;
  return {
    async among(work, signal) {
      while (last !== undefined) await abortable(last, signal);
      running++;
      try {
        return await work();
      } finally {
        if (--running === 0) idle?.();
      }
    },
    async alone(work, signal) {
      while (last !== undefined) await abortable(last, signal);
      const turn = (async () => {
        if (running > 0) await new Promise<void>((resolve) => (idle = resolve));
        idle = undefined;
        signal?.throwIfAborted();
        return await work();
      })();
      last = turn.catch(() => {}).finally(() => (last = undefined));
      return await turn;
    },
  };
}
