import type { CallOptions } from "./call-options.ts";
import { closed } from "./port-errors.ts";

/** Items in the order they were put, at most `capacity` of them waiting: who puts more waits until there is room. */
export interface BoundedQueue<Item> extends AsyncIterable<Item> {
  /** Items waiting to be taken. */
  readonly size: number;
  /**
   * Resolves when the item has its place. Throws `PORT_CLOSED` after `close`, or when the reader has left; RangeError when too many wait
   * already, which is what happens to callers that do not wait for `put`.
   */
  put(item: Item, options?: CallOptions): Promise<void>;
  /** Puts the item if there is room now. @returns whether it did. Throws `PORT_CLOSED`. */
  tryPut(item: Item): boolean;
  /** Nothing more comes: readers get what is there, then end; with an error they get that at once instead, and what is there is dropped. */
  close(error?: Error): void;
  /**
   * Takes the items; each goes to one reader. Leaving the loop closes the queue: putters are refused, and what was not taken is dropped.
   * One walk at a time.
   */
  [Symbol.asyncIterator](): AsyncIterator<Item, undefined, undefined>;
}

interface Putter<Item> {
  readonly item: Item;
  readonly placed: () => void;
  readonly refused: (error: Error) => void;
}

/**
 * @param capacity Most items waiting, a positive integer.
 * @param options `maxPutters`: most calls of `put` that wait for room at one time. Default: 1024.
 */
export function createBoundedQueue<Item>(
  capacity: number,
  { maxPutters = 1024 }: { readonly maxPutters?: number | undefined } = {},
): BoundedQueue<Item> {
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(`The capacity must be a positive integer, not ${capacity}.`);
  }
  return new RingQueue<Item>(capacity, maxPutters);
}

class RingQueue<Item> implements BoundedQueue<Item> {
  readonly #ring: (Item | undefined)[];
  #head = 0;
  #size = 0;
  #end: { readonly error: Error | undefined } | undefined;
  readonly #putters = new Set<Putter<Item>>();
  #wakeReader: (() => void) | undefined;

  readonly #maxPutters: number;

  constructor(capacity: number, maxPutters: number) {
    this.#maxPutters = maxPutters;
    this.#ring = new Array<Item | undefined>(capacity).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  tryPut(item: Item): boolean {
    if (this.#end !== undefined) throw closed("The queue");
    if (this.#size === this.#ring.length || this.#putters.size > 0) return false;
    this.#place(item);
    return true;
  }

  async put(item: Item, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryPut(item)) return;
    if (this.#putters.size >= this.#maxPutters) {
      throw new RangeError(`${this.#putters.size} calls of put wait for room already; wait for each before the next.`);
    }
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        this.#putters.delete(putter);
        reject(signal?.reason as Error);
      };
      const putter: Putter<Item> = {
        item,
        placed: () => {
          signal?.removeEventListener("abort", stop);
          resolve();
        },
        refused: (error) => {
          signal?.removeEventListener("abort", stop);
          reject(error);
        },
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.#putters.add(putter);
    });
  }

  close(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (error !== undefined) this.#drop();
    // Whoever waits has been told nothing yet: its item was not taken in.
    for (const putter of this.#putters) putter.refused(error ?? closed("The queue"));
    this.#putters.clear();
    this.#wakeReader?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, undefined, undefined> {
    try {
      for (;;) {
        while (this.#size > 0) yield this.#take();
        if (this.#end?.error !== undefined) throw this.#end.error;
        if (this.#end !== undefined) return undefined;
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    } finally {
      this.close();
      this.#drop();
    }
  }

  #place(item: Item): void {
    this.#ring[(this.#head + this.#size) % this.#ring.length] = item;
    this.#size += 1;
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }

  #take(): Item {
    const item = this.#ring[this.#head] as Item;
    // Lets go of the item: a ring that kept it would hold up to `capacity` batches nobody needs.
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size -= 1;
    const [putter] = this.#putters;
    if (putter !== undefined) {
      this.#putters.delete(putter);
      this.#place(putter.item);
      putter.placed();
    }
    return item;
  }

  #drop(): void {
    this.#ring.fill(undefined);
    this.#size = 0;
  }
}
