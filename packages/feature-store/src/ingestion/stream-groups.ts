import type { CallOptions, Clock } from "@millwright/contracts";

export interface GroupLimits extends CallOptions {
  readonly maxItems: number;
  /** How long the first item of a group waits for others, milliseconds. */
  readonly maxWaitMs: number;
  readonly clock: Clock;
}

/** Items in groups, as they come: nothing is asked for while a group is being worked on. Leaving the loop early ends the source. */
export async function* groupsOf<Item>(
  source: AsyncIterable<Item>,
  { maxItems, maxWaitMs, clock, signal }: GroupLimits,
): AsyncGenerator<Item[]> {
  const iterator = source[Symbol.asyncIterator]();
  const aborted = abortion(signal);
  let asked: Promise<IteratorResult<Item>> | undefined;
  let isDone = false;
  try {
    while (!isDone) {
      const group: Item[] = [];
      const timer = new AbortController();
      let timeout: Promise<"late"> | undefined;
      while (group.length < maxItems) {
        asked ??= iterator.next();
        const found = await Promise.race([asked, aborted.promise, ...(timeout === undefined ? [] : [timeout])]);
        if (found === "late") break;
        asked = undefined;
        if (found.done === true) {
          isDone = true;
          break;
        }
        group.push(found.value);
        timeout ??= clock.sleep(maxWaitMs, { signal: timer.signal }).then(
          () => "late" as const,
          () => "late" as const,
        );
      }
      timer.abort();
      if (group.length > 0) yield group;
    }
  } finally {
    aborted.forget();
    // What was asked for and never came would keep this waiting.
    if (!isDone) void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/** A promise that rejects when the signal does. */
function abortion(signal: AbortSignal | undefined): { readonly promise: Promise<never>; forget(): void } {
  let listen = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    listen = () => reject(signal?.reason as Error);
    if (signal?.aborted === true) listen();
    else signal?.addEventListener("abort", listen, { once: true });
  });
  promise.catch(() => {});
  return { promise, forget: () => signal?.removeEventListener("abort", listen) };
}
