import { type BatchCost, createBatchCost } from "./batch-cost.ts";

/** What may wait in the queue. */
export interface Queued {
  readonly rows: number;
  /** Requests of equal keys may share a batch; `undefined` keeps it alone. */
  readonly key: string | undefined;
}

/** Requests of one shape, in the order they came, and what their batches cost. */
export interface Bucket<Item extends Queued> {
  readonly key: string | undefined;
  readonly cost: BatchCost;
  readonly rows: number;
  /** From the front, as many as fit within the rows, at least one. */
  take(maxRows: number): Item[];
}

export interface BatchQueue<Item extends Queued> {
  push(item: Item): void;
  readonly rows: number;
  readonly size: number;
  /** The bucket of the request that waits longest; `undefined` where none waits. */
  oldest(): Bucket<Item> | undefined;
  /** Takes all that wait. */
  clear(): Item[];
}

/** So many shapes are remembered while nothing of them waits. */
const keptBuckets = 64;

/** Requests that wait for the model, apart by shape: those of one shape go together, and no shape is served before an older request of another. */
export function createBatchQueue<Item extends Queued>(): BatchQueue<Item> {
  const buckets = new Map<string | undefined, ItemBucket<Item>>();
  let rows = 0;
  let size = 0;
  let order = 0;
  const onTaken = (items: readonly Item[]): void => {
    for (const item of items) rows -= item.rows;
    size -= items.length;
  };
  const bucketOf = (key: string | undefined): ItemBucket<Item> => {
    let bucket = buckets.get(key);
    if (bucket === undefined) {
      if (buckets.size >= keptBuckets) forgetEmpty(buckets);
      bucket = new ItemBucket<Item>(key, onTaken);
      buckets.set(key, bucket);
    }
    return bucket;
  };
  return {
    push(item) {
      bucketOf(item.key).push(item, order);
      order += 1;
      rows += item.rows;
      size += 1;
    },
    get rows() {
      return rows;
    },
    get size() {
      return size;
    },
    oldest() {
      if (size === 0) return undefined;
      let found: ItemBucket<Item> | undefined;
      for (const bucket of buckets.values()) if (found === undefined || bucket.since < found.since) found = bucket;
      return found;
    },
    clear: () => [...buckets.values()].flatMap((bucket) => bucket.takeAll()),
  };
}

function forgetEmpty<Item extends Queued>(buckets: Map<string | undefined, ItemBucket<Item>>): void {
  for (const [key, bucket] of buckets) if (bucket.rows === 0) buckets.delete(key);
}

class ItemBucket<Item extends Queued> implements Bucket<Item> {
  readonly key: string | undefined;
  readonly cost: BatchCost = createBatchCost();
  rows = 0;
  #items: Item[] = [];
  #orders: number[] = [];
  /** Where the first that still waits stands. */
  #head = 0;
  readonly #onTaken: (items: readonly Item[]) => void;

  constructor(key: string | undefined, onTaken: (items: readonly Item[]) => void) {
    this.key = key;
    this.#onTaken = onTaken;
  }

  /** When the first that waits came, as a number that grows; infinite where none does. */
  get since(): number {
    return this.#orders[this.#head] ?? Number.POSITIVE_INFINITY;
  }

  push(item: Item, order: number): void {
    this.#items.push(item);
    this.#orders.push(order);
    this.rows += item.rows;
  }

  take(maxRows: number): Item[] {
    const items = this.#items;
    const start = this.#head;
    let end = start;
    let taken = 0;
    while (end < items.length) {
      const { rows } = items[end] as Item;
      if (end > start && (this.key === undefined || taken + rows > maxRows)) break;
      taken += rows;
      end += 1;
    }
    return this.#cut(end, taken);
  }

  takeAll(): Item[] {
    return this.#cut(this.#items.length, this.rows);
  }

  #cut(end: number, taken: number): Item[] {
    const items = this.#items;
    const start = this.#head;
    this.rows -= taken;
    const whole = end === items.length;
    const out = whole && start === 0 ? items : items.slice(start, end);
    if (whole) {
      this.#items = [];
      this.#orders = [];
      this.#head = 0;
    } else if (end > 1024 && end * 2 > items.length) {
      // What was taken is let go of in one piece now and then, not at every batch.
      this.#items = items.slice(end);
      this.#orders = this.#orders.slice(end);
      this.#head = 0;
    } else this.#head = end;
    this.#onTaken(out);
    return out;
  }
}
