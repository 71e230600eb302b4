import { createHash } from "node:crypto";
import { type CallOptions, closed, systemClock, type Clock } from "@millwright/contracts";
import { onlineFailure, overlappingFlushes } from "../keyed/keyed-errors.ts";
import { purgeLmdb } from "../keyed/lmdb-purge.ts";
import {
  changesOf,
  copyOf,
  spanOf,
  type KeyedChange,
  type KeyedEntry,
  type KeyedOnlineStore,
  type Unpurged,
} from "../keyed/keyed-store.ts";

/** What is used of a database of the package `lmdb`. */
export interface LmdbDatabase {
  getBinary(key: string): Uint8Array | undefined;
  getBinaryFast(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): unknown;
  remove(key: string): unknown;
  getRange(options: {
    readonly start: string;
    readonly end: string;
    readonly exclusiveStart: boolean;
    readonly reverse?: boolean;
    readonly limit: number;
  }): Iterable<{ readonly key: string; readonly value: Uint8Array }>;
  transaction<Result>(action: () => Result): Promise<Result>;
  resetReadTxn(): void;
  readonly committed: PromiseLike<unknown>;
  readonly flushed: PromiseLike<unknown>;
}

/** What is used of what `open` of the package `lmdb` returns. */
export interface LmdbRootDatabase {
  openDB(options: {
    readonly name: string;
    readonly encoding: "binary";
    readonly keyEncoding: "ordered-binary";
  }): LmdbDatabase;
  /** With `lastPageNumber`, the last page of the file. */
  getStats(): object;
  /** Where the file is. */
  readonly path?: string | undefined;
  /** Whether flushes of commits overlap with later transactions; where it is not there, they do not. */
  readonly overlappingSync?: boolean | undefined;
}

export interface LmdbOnlineStoreOptions {
  /** The database inside the file that the entries stand in; of a file with several, each has its own. Default: `"millwright-online"`. */
  readonly name?: string | undefined;
  /**
   * When a write counts as kept: `"disk"`, when the disk has it, so that it outlasts a power failure; `"system"`, when LMDB has committed it, so that it
   * outlasts this process, and only where the file was opened with `noSync` the power failure not. Default: `"disk"`.
   */
  readonly flush?: "disk" | "system" | undefined;
  /** Tells how old the state is that `readNow` sees. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** LMDB takes keys of up to 511 bytes: of longer ones the hash stands there, and the whole key before the bytes. */
const LONGEST_KEY = 120;
const LONGEST_GROUP = 40;
const PAGE_ENTRIES = 1000;
/** How old the state that `readNow` sees may be, in milliseconds. */
const SNAPSHOT_MS = 1;

/**
 * Keeps entries in an LMDB file: memory-mapped, shared by any number of processes of one machine, of which one writes at a time while all
 * read. The caller opens the file with the package `lmdb`, and closes it: `openLmdbOnlineStore(open({ path: "features.lmdb", overlappingSync: false }))`.
 *
 * `overlappingSync: false` is needed: by default the package flushes a commit while later transactions go on, under a mutex that the processes share. Where one
 * is killed in a flush, the next that takes the mutex for a transaction of its own takes the file for broken (`MDB_PANIC`), and writes no more until it opens
 * the file again. Without it each commit is on the disk before the next begins.
 *
 * `readNow` may see the state of up to a millisecond ago. Throws `FEATURE_STORE_LMDB_OVERLAPPING`; where the disk is full, calls throw
 * `FEATURE_STORE_WRITE_FAILED`, and `FEATURE_STORE_LMDB_PANIC` where the file is to be opened again.
 */
export function openLmdbOnlineStore(root: LmdbRootDatabase, options: LmdbOnlineStoreOptions = {}): KeyedOnlineStore {
  const { name = "millwright-online", flush = "disk", clock = systemClock } = options;
  if (typeof (root as Partial<LmdbRootDatabase> | undefined)?.openDB !== "function") {
    throw new TypeError(
      'openLmdbOnlineStore takes what `open` of the package "lmdb" returns (`npm install lmdb`): openLmdbOnlineStore(open({ path: "features.lmdb", overlappingSync: false })).',
    );
  }
  if (root.overlappingSync === true) throw overlappingFlushes();
  return createStore({ root, database: openDatabase(root, name), name, toDisk: flush === "disk", clock });
}

function openDatabase(root: LmdbRootDatabase, name: string): LmdbDatabase {
  try {
    return root.openDB({ name, encoding: "binary", keyEncoding: "ordered-binary" });
  } catch (error) {
    throw onlineFailure(`the LMDB database "${name}"`, error);
  }
}

interface Target {
  readonly root: LmdbRootDatabase;
  readonly database: LmdbDatabase;
  readonly name: string;
  readonly toDisk: boolean;
  readonly clock: Clock;
}

function createStore(target: Target): KeyedOnlineStore {
  const { database, clock } = target;
  const underway = new Set<Promise<void>>();
  let isClosed = false;
  let renewedMs = Number.NEGATIVE_INFINITY;
  const check = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The online store");
  };
  const renew = (): void => {
    renewedMs = clock.monotonicMs();
    database.resetReadTxn();
  };
  return {
    capabilities: { durable: true, shared: true, synchronous: true },
    async read(group, keys, { signal } = {}) {
      check(signal);
      renew();
      return keys.map((key) => copyOfEntry(database, group, key));
    },
    readNow(group, key) {
      if (isClosed) throw closed("The online store");
      if (clock.monotonicMs() - renewedMs >= SNAPSHOT_MS) renew();
      return readEntry(database, group, key);
    },
    async update(group, keys, change, { signal } = {}) {
      check(signal);
      if (keys.length === 0) return;
      const writing = writeEntries(target, group, keys, change);
      underway.add(writing);
      try {
        await writing;
      } finally {
        underway.delete(writing);
        renewedMs = Number.NEGATIVE_INFINITY;
      }
    },
    async *scan(group, { signal } = {}) {
      const prefix = prefixOf(group);
      for (let start = `${prefix}#`, isFirst = true; ; isFirst = false) {
        check(signal);
        renew();
        const range = { start, end: `${prefix}>`, exclusiveStart: !isFirst, limit: PAGE_ENTRIES };
        const found = [...database.getRange(range)];
        if (found.length > 0) yield found.map((each) => entryOf(prefix, each));
        if (found.length < PAGE_ENTRIES) return;
        start = found.at(-1)!.key;
      }
    },
    async purge(group, key, { signal } = {}) {
      check(signal);
      return await purgeEntry(target, group, key, { signal, underway });
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await Promise.allSettled(underway);
    },
  };
}

/** @param options.underway What closing the store waits for. */
async function purgeEntry(
  target: Target,
  group: string,
  key: string,
  { underway, signal }: CallOptions & { readonly underway: Set<Promise<void>> },
): Promise<readonly Unpurged[]> {
  const stored = storedKey(group, key);
  const purging = purgeLmdb(target, { stored, texts: [stored, key], signal });
  const done = purging.then(ignore, ignore);
  underway.add(done);
  try {
    return await purging;
  } finally {
    underway.delete(done);
  }
}

async function writeEntries(
  { database, name, toDisk }: Target,
  group: string,
  keys: readonly string[],
  change: KeyedChange,
): Promise<void> {
  try {
    const committing = database.transaction(() => {
      const isNew = lacksAll(database, group, keys);
      const changed = changesOf(keys, change, (key) => (isNew ? undefined : readEntry(database, group, key)));
      for (const [key, bytes] of changed) writeEntry(database, group, key, bytes);
    });
    // At the end of this turn the database promises the commit once more, to itself: unheard, a full disk would end the process.
    setImmediate(() => database.committed.then(ignore, ignore));
    await committing;
    if (toDisk) await database.flushed;
  } catch (error) {
    throw onlineFailure(`the LMDB database "${name}"`, await commitErrorOf(error));
  }
}

/** Whether none of many keys is there, which one look tells where nothing stands between the first and the last. */
function lacksAll(database: LmdbDatabase, group: string, keys: readonly string[]): boolean {
  const span = spanOf(keys);
  if (span === undefined) return false;
  const [start, end] = [`${prefixOf(group)}=${span.first}`, `${prefixOf(group)}=${span.last} `];
  for (const _ of database.getRange({ start, end, exclusiveStart: false, limit: 1 })) return false;
  return true;
}

const ignore = (): void => {};

/** Of a commit that failed the database tells the reason beside the error, as a promise. */
async function commitErrorOf(error: unknown): Promise<unknown> {
  if (typeof error !== "object" || error === null || !("commitError" in error)) return error;
  return await Promise.resolve(error.commitError).then(
    (reason) => reason ?? error,
    (reason: unknown) => reason,
  );
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64url");

const prefixes = new Map<string, string>();
let lastGroup = "";
let lastPrefix = "0:";

/** What the stored keys of a group begin with: no two groups' begin alike. */
function prefixOf(group: string): string {
  if (group === lastGroup) return lastPrefix;
  lastPrefix = namedPrefix(group);
  lastGroup = group;
  return lastPrefix;
}

function namedPrefix(group: string): string {
  let prefix = prefixes.get(group);
  if (prefix === undefined) {
    prefix = group.length > LONGEST_GROUP ? `#${digestOf(group)}:` : `${group.length}:${group}`;
    if (prefixes.size < 1000) prefixes.set(group, prefix);
  }
  return prefix;
}

const storedKey = (group: string, key: string): string =>
  key.length <= LONGEST_KEY ? `${prefixOf(group)}=${key}` : hashedKey(group, key);
const hashedKey = (group: string, key: string): string => `${prefixOf(group)}#${digestOf(key)}`;

/** @returns bytes that are good until the next call on the database, of a length that only `length` tells. */
function readEntry(database: LmdbDatabase, group: string, key: string): Uint8Array | undefined {
  if (key.length <= LONGEST_KEY) {
    const bytes = database.getBinaryFast(`${prefixOf(group)}=${key}`);
    return bytes === undefined ? undefined : exactBytes(bytes);
  }
  const value = database.getBinary(hashedKey(group, key));
  if (value === undefined) return undefined;
  const entry = parseLong(value);
  return entry.key === key ? entry.bytes : undefined;
}

function copyOfEntry(database: LmdbDatabase, group: string, key: string): Uint8Array | undefined {
  const bytes = readEntry(database, group, key);
  return bytes === undefined ? undefined : copyOf(bytes);
}

let lastBuffer: Uint8Array | undefined;
let lastBytes: Uint8Array = new Uint8Array(0);

/** The database reads into one buffer again and again, which is longer than its `length`, and sets that. Entries are mostly as long as those before. */
function exactBytes(buffer: Uint8Array): Uint8Array {
  if (buffer === lastBuffer && buffer.length === lastBytes.length) return lastBytes;
  lastBuffer = buffer;
  return (lastBytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length));
}

function writeEntry(database: LmdbDatabase, group: string, key: string, bytes: Uint8Array | null): void {
  const stored = storedKey(group, key);
  if (bytes === null) database.remove(stored);
  else database.put(stored, key.length <= LONGEST_KEY ? bytes : longValue(key, bytes));
}

function entryOf(prefix: string, found: { readonly key: string; readonly value: Uint8Array }): KeyedEntry {
  if (found.key[prefix.length] === "#") return parseLong(found.value);
  return { key: found.key.slice(prefix.length + 1), bytes: found.value };
}

/** Under a hash: the length of the key in bytes, 4 bytes little-endian, the key, the bytes. */
function longValue(key: string, bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  const text = Buffer.from(key);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, bytes]);
}

function parseLong(value: Uint8Array): KeyedEntry {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
  const start = 4 + buffer.readUInt32LE(0);
  return { key: buffer.toString("utf8", 4, start), bytes: value.subarray(start) };
}
