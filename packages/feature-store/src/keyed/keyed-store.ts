import { unsupported, type CallOptions } from "@millwright/contracts";

export interface KeyedOnlineStoreCapabilities {
  /** Whether what was acknowledged is there after a crash. */
  readonly durable: boolean;
  /** Whether other processes may have the same store open, and see what this one wrote once it was acknowledged. */
  readonly shared: boolean;
  /** Whether `readNow` answers. */
  readonly synchronous: boolean;
}

/**
 * What becomes of an entry: bytes to put in its place, `null` to delete it, `undefined` to leave it.
 * Called again with the newer bytes where another writer came first, so it must depend on nothing but its arguments.
 * @param index Which of the keys it is.
 * @param current The bytes there, to be read during the call and neither kept nor changed; undefined where there are none.
 */
export type KeyedChange = (index: number, current: Uint8Array | undefined) => Uint8Array | null | undefined;

export interface KeyedEntry {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/**
 * Bytes by group and key, for many processes and for more entries than fit in memory. Groups and keys are any well-formed text, of any length.
 * What the bytes say lives in the feature store.
 */
export interface KeyedOnlineStore extends AsyncDisposable {
  readonly capabilities: KeyedOnlineStoreCapabilities;
  /** @returns copies of the bytes, one for each key in the order of `keys`; undefined where there are none. */
  read(group: string, keys: readonly string[], options?: CallOptions): Promise<readonly (Uint8Array | undefined)[]>;
  /**
   * Reads one entry without waiting. The bytes are good until the next call on the store or the end of this turn of the event loop: decode
   * or copy them at once. Throws `PORT_UNSUPPORTED` without the `synchronous` capability.
   */
  readNow(group: string, key: string): Uint8Array | undefined;
  /**
   * Changes the entries of `keys`, each as one step that no other writer comes between; a key that stands twice is changed twice, in order.
   * Resolves when all are kept and every reader sees them. Where `change` throws, the call rejects with what it threw, and nothing is
   * changed, unless it threw when called again.
   */
  update(group: string, keys: readonly string[], change: KeyedChange, options?: CallOptions): Promise<void>;
  /** Every entry of a group that is there from beginning to end once, in pages and in no order; entries changed meanwhile as before or after. */
  scan(group: string, options?: CallOptions): AsyncIterable<readonly KeyedEntry[]>;
  /**
   * Takes what is left of a deleted entry out of the store's files, where the engine has not overwritten it yet. May take long: it is for erasure alone.
   * @returns where something of it may still be; empty where nothing is. Default: what is left, and where, is not known.
   */
  purge?(group: string, key: string, options?: CallOptions): Promise<readonly Unpurged[]>;
}

/** A place that may still have bytes of a deleted entry. */
export interface Unpurged {
  readonly path: string;
  readonly reason: string;
  /** What takes them away, as a sentence. */
  readonly remedy: string;
}

/** Bytes nobody else can change; `slice` of Node's `Buffer` would give the same ones. */
export const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** What `readNow` of a store that cannot do it throws. */
export const notSynchronous = (): Error =>
  unsupported("Reading without waiting from this online store", "Use `read`, or a store on this machine.");

/** Fewer keys are looked up one by one. */
const FEWEST_OF_SPAN = 64;
/** Texts whose order is that of their bytes, however a store compares them. */
const PLAIN_TEXT = /^[\x20-\x7e]{1,100}$/;

/**
 * Of many keys in ascending order, the first and the last: where a store has no entry from the one to the other, none of them is there, and none
 * need be looked for. @returns undefined where the keys are few, in another order, or of other characters than ASCII's.
 */
export function spanOf(keys: readonly string[]): { readonly first: string; readonly last: string } | undefined {
  if (keys.length < FEWEST_OF_SPAN) return undefined;
  for (let index = 1; index < keys.length; index++) if (!(keys[index - 1]! < keys[index]!)) return undefined;
  if (!keys.every((key) => PLAIN_TEXT.test(key))) return undefined;
  return { first: keys[0]!, last: keys.at(-1)! };
}

/**
 * Runs a change over keys, of which some may stand twice, without writing anything.
 * @returns what to write, by key: bytes, or null to delete. Keys that are left are not in it.
 */
export function changesOf(
  keys: readonly string[],
  change: KeyedChange,
  read: (key: string) => Uint8Array | undefined,
): Map<string, Uint8Array | null> {
  const changed = new Map<string, Uint8Array | null>();
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!;
    const before = changed.get(key);
    const current = before === undefined ? read(key) : (before ?? undefined);
    const bytes = change(index, current);
    if (bytes !== undefined) changed.set(key, bytes);
  }
  return changed;
}
