import { readdir } from "node:fs/promises";
import { type Clock, createManualClock, type Digest, digestOf, type RecordStore } from "@millwright/contracts";
import {
  collectGarbage,
  type CollectableArtifactStore,
  openChunkedArtifactStore,
  openDirectoryArtifactStore,
  openMemoryArtifactStore,
  openMemoryRecordStore,
} from "@millwright/storage";
import { expect, test } from "vitest";
import { temporaryFolder } from "./folder.ts";
import { runGarbageModel, type Turns } from "./garbage-model.ts";

/** The store, with a random wait before and after each call. */
function withTurns(store: CollectableArtifactStore, turns: Turns): CollectableArtifactStore {
  const waited =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await turns();
      const result = await call(...args);
      await turns();
      return result;
    };
  return {
    put: waited(store.put.bind(store)),
    open: store.open.bind(store),
    has: waited(store.has.bind(store)),
    delete: waited(store.delete.bind(store)),
    list: store.list.bind(store),
    ages: store.ages.bind(store),
    touch: waited(store.touch.bind(store)),
    deleteOlder: waited(store.deleteOlder.bind(store)),
    sweep: store.sweep.bind(store),
  };
}

const seeds = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

async function modelChecked(
  count: number,
  open: (clock: Clock, turns: Turns) => Promise<CollectableArtifactStore>,
): Promise<void> {
  let deleted = 0;
  for (const seed of seeds(count)) deleted += await runGarbageModel({ seed, open, publications: 40, collections: 5 });
  // Each run had something to delete, and to lose.
  expect(deleted).toBeGreaterThan(count * 5);
}

test("MR-6: collection never deletes what is reachable, over random graphs and interleavings, in memory", async () => {
  await modelChecked(40, async (clock, turns) => withTurns(openMemoryArtifactStore({ clock }), turns));
});

test("MR-6: collection never deletes what is reachable, over random graphs and interleavings, in a directory", async () => {
  await using folder = await temporaryFolder();
  let runs = 0;
  await modelChecked(3, async (clock, turns) =>
    withTurns(await openDirectoryArtifactStore(folder.file(`${(runs += 1)}`), { clock }), turns),
  );
});

test("MR-6: collection never deletes what is reachable, over random graphs and interleavings, in chunks", async () => {
  let chunks = 0;
  await modelChecked(25, async (clock, turns) => {
    const base = openMemoryArtifactStore({ clock });
    const put: CollectableArtifactStore["put"] = (bytes, options) => {
      chunks += 1;
      return base.put(bytes, options);
    };
    const records = openMemoryRecordStore();
    const read: RecordStore["read"] = async (key, options) => {
      const found = await records.read(key, options);
      await turns();
      return found;
    };
    const index = { ...records, read };
    const waiting = withTurns({ ...base, put }, turns);
    return withTurns(openChunkedArtifactStore(waiting, { index, averageBytes: 1024, clock }), turns);
  });
  expect(chunks).toBeGreaterThan(2000);
});

const nowMs = 1_700_000_000_000;

async function stored(store: CollectableArtifactStore, ...texts: readonly string[]): Promise<Digest[]> {
  return await Promise.all(texts.map(async (text) => (await store.put(Buffer.from(text))).digest));
}

const left = async (store: CollectableArtifactStore): Promise<Set<Digest>> => {
  const digests = new Set<Digest>();
  for await (const { digest } of store.list()) digests.add(digest);
  return digests;
};

const kinds: readonly [string, (clock: Clock, path: string) => Promise<CollectableArtifactStore>][] = [
  ["memory", async (clock) => openMemoryArtifactStore({ clock })],
  ["a directory", (clock, path) => openDirectoryArtifactStore(path, { clock })],
  [
    "chunks",
    async (clock, path) => {
      const base = await openDirectoryArtifactStore(path, { clock });
      return openChunkedArtifactStore(base, { index: openMemoryRecordStore(), averageBytes: 1024, clock });
    },
  ],
];

for (const [name, open] of kinds) {
  test(`a collection in ${name} reports each artifact once, by why it stays or goes; a dry run deletes nothing`, async () => {
    await using folder = await temporaryFolder();
    const clock = createManualClock(nowMs);
    const store = await open(clock, folder.file("store"));
    const [used, held, old] = (await stored(store, "used", "held!", "old...")) as [Digest, Digest, Digest];
    await clock.advance(5000);
    const [young] = (await stored(store, "young..")) as [Digest];
    const missing = digestOf("never put");
    const options = { reachable: [used, missing], protected: [held], graceMs: 1000, clock };
    const expected = {
      examined: { artifacts: 4, bytes: 22 },
      reachable: { artifacts: 1, bytes: 4 },
      protected: { artifacts: 1, bytes: 5 },
      young: { artifacts: 1, bytes: 7 },
      deleted: { artifacts: 1, bytes: 6, digests: [old] },
      missing: [missing],
    };
    expect(await collectGarbage(store, { ...options, dryRun: true })).toMatchObject({ ...expected, dryRun: true });
    expect(await left(store)).toEqual(new Set([used, held, old, young]));
    expect(await collectGarbage(store, options)).toMatchObject({ ...expected, dryRun: false });
    expect(await left(store)).toEqual(new Set([used, held, young]));
  });

  test(`what is put or touched again in ${name} is as young as what is new`, async () => {
    await using folder = await temporaryFolder();
    const clock = createManualClock(nowMs);
    const store = await open(clock, folder.file("store"));
    const [put, touched, neither] = (await stored(store, "put again", "touched", "neither")) as [
      Digest,
      Digest,
      Digest,
    ];
    await clock.advance(5000);
    await stored(store, "put again");
    expect(await store.touch(touched)).toBe(true);
    expect(await store.touch(digestOf("never"))).toBe(false);
    const report = await collectGarbage(store, { reachable: [], graceMs: 1000, clock });
    expect(report.deleted.digests).toEqual([neither]);
    expect(await left(store)).toEqual(new Set([put, touched]));
    expect(await store.deleteOlder(put, nowMs + 5000)).toBe(false);
    expect(await store.deleteOlder(put, nowMs + 5001)).toBe(true);
    expect(await store.deleteOlder(put, nowMs + 5001)).toBe(false);
  });
}

test("a function may say what is in use, and a digest in another spelling is refused before anything is deleted", async () => {
  const clock = createManualClock(nowMs);
  const store = openMemoryArtifactStore({ clock });
  const [one, two] = (await stored(store, "one", "two")) as [Digest, Digest];
  await clock.advance(5000);
  const upper = one.toUpperCase() as Digest;
  await expect(collectGarbage(store, { reachable: [upper], graceMs: 0, clock })).rejects.toBeInstanceOf(RangeError);
  await expect(collectGarbage(store, { reachable: [], protected: [upper], graceMs: 0, clock })).rejects.toBeInstanceOf(
    RangeError,
  );
  expect((await left(store)).size).toBe(2);
  const reachable = (digest: Digest): Promise<boolean> => Promise.resolve(digest === one);
  expect((await collectGarbage(store, { reachable, graceMs: 0, clock })).deleted.digests).toEqual([two]);
});

test("a collection that cannot read what is in use deletes nothing, and stops when it is told to", async () => {
  const clock = createManualClock(nowMs);
  const store = openMemoryArtifactStore({ clock });
  await stored(store, "one", "two");
  await clock.advance(5000);
  async function* broken(): AsyncGenerator<Digest> {
    yield digestOf("one");
    await Promise.resolve();
    throw new Error("the database went away");
  }
  await expect(collectGarbage(store, { reachable: broken(), graceMs: 0, clock })).rejects.toThrow("went away");
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(collectGarbage(store, { reachable: [], graceMs: 0, clock, signal })).rejects.toThrow("enough");
  expect((await left(store)).size).toBe(2);
});

test("chunks that no artifact is made of any more are freed after a day, those that another shares are not", async () => {
  await using folder = await temporaryFolder();
  const clock = createManualClock(nowMs);
  const base = await openDirectoryArtifactStore(folder.path, { clock });
  const store = openChunkedArtifactStore(base, { index: openMemoryRecordStore(), averageBytes: 1024, clock });
  const bytes = Buffer.from(
    Array.from({ length: 20_000 }, (_, index) => digestOf(`${index >> 4}`).charCodeAt(7 + (index % 16))),
  );
  const first = await store.put(bytes);
  const second = await store.put(Buffer.concat([bytes, Buffer.from("and a little more")]));
  const files = async (): Promise<number> =>
    (await readdir(folder.file("sha256"), { recursive: true, withFileTypes: true })).filter((each) => each.isFile())
      .length;
  const before = await files();
  await clock.advance(1000);
  const hour = await collectGarbage(store, { reachable: [first.digest], graceMs: 0, clock });
  expect(hour).toMatchObject({ deleted: { digests: [second.digest] }, swept: { objects: 0 } });
  expect(await files()).toBe(before);
  await clock.advance(25 * 60 * 60 * 1000);
  const { swept } = await collectGarbage(store, { reachable: [first.digest], graceMs: 0, clock });
  // The last chunk of the second, and its list of chunks.
  expect(swept.objects).toBe(2);
  expect(await files()).toBe(before - 2);
  const read: Uint8Array[] = [];
  for await (const chunk of store.open(first.digest)) read.push(new Uint8Array(chunk));
  expect(Buffer.concat(read).equals(bytes)).toBe(true);
});
