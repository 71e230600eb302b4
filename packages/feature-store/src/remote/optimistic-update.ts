import type { KeyedChange } from "../keyed/keyed-store.ts";

/** What stands at a key. */
export interface Standing {
  readonly bytes: Uint8Array;
}

export interface Replacement<Kept extends Standing> {
  /** What it was decided on. */
  readonly before: Kept | undefined;
  /** What is to stand there; null: nothing. */
  readonly bytes: Uint8Array | null;
}

/** Entries that one round of reading and writing is about. */
export interface OptimisticPart<Kept extends Standing> {
  readonly keys: readonly string[];
  read(): Promise<ReadonlyMap<string, Kept>>;
  /** Replaces those entries at which still stands what was decided on. @returns the others, with what stands there now. */
  write(changes: ReadonlyMap<string, Replacement<Kept>>): Promise<ReadonlyMap<string, Kept | undefined>>;
}

/**
 * Reads, changes, and writes where nobody else did meanwhile; what somebody did change is changed anew. The first changes of all keys come
 * before the first write: one that throws leaves everything as it was.
 *
 * @param keys Some may stand twice: they are changed twice, in order.
 */
export async function updateOptimistically<Kept extends Standing>(
  keys: readonly string[],
  change: KeyedChange,
  options: {
    readonly split: (distinct: readonly string[]) => readonly OptimisticPart<Kept>[];
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { split, signal } = options;
  const places = new Map<string, number[]>();
  keys.forEach((key, index) => {
    const found = places.get(key);
    if (found === undefined) places.set(key, [index]);
    else found.push(index);
  });
  const rounds = [];
  for (const part of split([...places.keys()])) {
    const found = await part.read();
    signal?.throwIfAborted();
    rounds.push({ part, standing: new Map(part.keys.map((key) => [key, found.get(key)] as const)) });
  }
  const first = rounds.map(({ standing }) => replacementsOf(standing, places, change));
  for (const [at, { part }] of rounds.entries()) {
    let changes = first[at]!;
    while (changes.size > 0) {
      const others = await part.write(changes);
      if (others.size === 0) break;
      signal?.throwIfAborted();
      changes = replacementsOf(others, places, change);
    }
  }
}

function replacementsOf<Kept extends Standing>(
  standing: ReadonlyMap<string, Kept | undefined>,
  places: ReadonlyMap<string, readonly number[]>,
  change: KeyedChange,
): Map<string, Replacement<Kept>> {
  const changes = new Map<string, Replacement<Kept>>();
  for (const [key, before] of standing) {
    let bytes = before?.bytes;
    let isChanged = false;
    for (const index of places.get(key)!) {
      const after = change(index, bytes);
      if (after === undefined) continue;
      bytes = after ?? undefined;
      isChanged = true;
    }
    if (isChanged && (bytes !== undefined || before !== undefined)) changes.set(key, { before, bytes: bytes ?? null });
  }
  return changes;
}
