import { open } from "node:fs/promises";
import type { CallOptions } from "@millwright/contracts";
import type { LmdbDatabase, LmdbRootDatabase } from "../drivers/lmdb.ts";
import { onlineFailure } from "./keyed-errors.ts";
import type { Unpurged } from "./keyed-store.ts";

/** Entries before and after the deleted one that are written anew: more than there are in a page. */
const NEIGHBOURS = 250;
/** Entries of zeros that fill pages, and as how many the file must grow to have had no free one. */
const FILLERS = 256;
const NEW_PAGES = FILLERS / 4;
const FILLER = new Uint8Array(1900);
const MOST_FILLERS = 2 ** 22;
/** Pages are free again only once no reader can see them: a second round mostly fills the last. */
const MOST_ROUNDS = 5;
/** Shorter keys are parts of others too often: for them the file is not searched, only overwritten. */
const SHORTEST_SEARCHED = 4;
const READ_BYTES = 1 << 20;

interface PurgeTarget {
  readonly root: LmdbRootDatabase;
  readonly database: LmdbDatabase;
  readonly name: string;
}

export interface PurgeOptions extends CallOptions {
  /** The key of the deleted entry in the file. */
  readonly stored: string;
  /** What may be left of it. */
  readonly texts: readonly string[];
}

/**
 * LMDB never overwrites a page that counts, and leaves free ones as they were. So the entries around the deleted one are written anew, which renews the pages that
 * had its key, and then free pages are filled with zeros until there are none. Whether that was enough the file is searched for.
 */
export async function purgeLmdb(
  target: PurgeTarget,
  { stored, texts, signal }: PurgeOptions,
): Promise<readonly Unpurged[]> {
  const { root, database, name } = target;
  const searched = texts.filter((text) => text.length >= SHORTEST_SEARCHED);
  const isClean = async (): Promise<boolean> => !(await fileHas(root.path, searched, signal));
  try {
    await database.transaction(() => renewNeighbours(database, stored));
    for (let round = 0; round < MOST_ROUNDS; round++) {
      await fillFreePages(target, signal);
      await database.flushed;
      if (round > 0 && root.path !== undefined && (await isClean())) return [];
    }
  } catch (error) {
    throw onlineFailure(`the LMDB database "${name}"`, error);
  }
  return [
    {
      path: root.path ?? `the LMDB database "${name}"`,
      reason:
        "text like the entity's is still in the file: in another entity's entry, or in a page that a reader holds",
      remedy:
        "Forget the entity again once no other process reads, or load the views into a new file and delete this one.",
    },
  ];
}

function renewNeighbours(database: LmdbDatabase, stored: string): void {
  const after = { start: stored, end: "\uffff", exclusiveStart: false, limit: NEIGHBOURS };
  const before = { start: stored, end: "", exclusiveStart: true, reverse: true, limit: NEIGHBOURS };
  const entries = [after, before].flatMap((range) =>
    Array.from(database.getRange(range), ({ key, value }) => ({ key, value: new Uint8Array(value) })),
  );
  for (const { key } of entries) database.remove(key);
  for (const { key, value } of entries) database.put(key, value);
}

async function fillFreePages({ root, database }: PurgeTarget, signal: AbortSignal | undefined): Promise<void> {
  const keys: string[] = [];
  const lastPage = (): number => Number((root.getStats() as { readonly lastPageNumber?: number }).lastPageNumber ?? 0);
  try {
    for (let before = lastPage(), grown = 0; grown < NEW_PAGES && keys.length < MOST_FILLERS;) {
      signal?.throwIfAborted();
      await database.transaction(() => {
        for (let index = 0; index < FILLERS; index++) {
          // No group begins like this. In their order, so that each page takes as few as it can.
          const key = `!${String(keys.length).padStart(8, "0")}`;
          keys.push(key);
          database.put(key, FILLER);
        }
      });
      grown = lastPage() - before;
      before += grown;
    }
  } finally {
    await database.transaction(() => {
      for (const key of keys) database.remove(key);
    });
  }
}

async function fileHas(
  path: string | undefined,
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (path === undefined) return true;
  const wanted = texts.map((text) => Buffer.from(text));
  const overlap = Math.max(0, ...wanted.map(({ length }) => length - 1));
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(READ_BYTES + overlap);
    let kept = 0;
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, kept, READ_BYTES, null);
      if (bytesRead === 0) return false;
      const bytes = buffer.subarray(0, kept + bytesRead);
      if (wanted.some((text) => bytes.includes(text))) return true;
      kept = Math.min(overlap, bytes.length);
      buffer.copyWithin(0, bytes.length - kept, bytes.length);
    }
  } finally {
    await file.close();
  }
}
