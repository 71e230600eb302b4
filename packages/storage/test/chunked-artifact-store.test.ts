import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, type Digest, digestOf, type Random } from "@millwright/contracts";
import { artifactCorruptionContract, artifactStoreContract } from "@millwright/contracts/testing";
import {
  openChunkedArtifactStore,
  openDirectoryArtifactStore,
  openMemoryArtifactStore,
  openMemoryRecordStore,
  openSqlite,
  openRecordStore,
} from "@millwright/storage";
import { describe, expect, test } from "vitest";
import { createContentChunker } from "../src/artifacts/content-chunks.ts";
import { temporaryFolder } from "./folder.ts";

describe("artifacts in chunks, in memory", () => {
  for (const { name, run } of artifactStoreContract) {
    test(name, () =>
      run(openChunkedArtifactStore(openMemoryArtifactStore(), { index: openMemoryRecordStore(), averageBytes: 4096 })),
    );
  }
});

describe("artifacts in chunks, in a directory with an index in SQLite", () => {
  for (const { name, run } of artifactStoreContract) {
    test(name, async () => {
      await using folder = await temporaryFolder();
      await using database = await openSqlite(folder.file("a.db"), { durability: "normal" });
      const base = await openDirectoryArtifactStore(folder.file("chunks"));
      await run(openChunkedArtifactStore(base, { index: openRecordStore(database) }));
    });
  }
});

describe("artifacts in chunks that are changed behind the store's back", () => {
  for (const { name, run } of artifactCorruptionContract) {
    test(name, async () => {
      await using folder = await temporaryFolder();
      const base = await openDirectoryArtifactStore(folder.path);
      const store = openChunkedArtifactStore(base, { index: openMemoryRecordStore() });
      const corrupt = async (digest: Digest): Promise<void> => {
        await using file = await open(join(folder.path, "sha256", digest.slice(7, 9), digest.slice(9)), "r+");
        await file.write(Uint8Array.of(0xff), 0, 1, 3);
      };
      await run({ store, corrupt });
    });
  }
});

function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(random.integer(0x100000000), at);
  return bytes;
}

function cut(bytes: Uint8Array, averageBytes: number, pieceBytes = bytes.length): Uint8Array[] {
  const chunker = createContentChunker(averageBytes);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    chunks.push(...chunker.push(bytes.subarray(at, at + pieceBytes)));
  const last = chunker.end();
  return last === undefined ? chunks : [...chunks, last];
}

test("chunks are the bytes in order, cut alike however they come, and between a quarter and four times the average", () => {
  const bytes = randomBytes(createRandom(1), 500_000);
  const chunks = cut(bytes, 8192);
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  for (const pieceBytes of [1, 7, 4096, 65_537, 300_000])
    expect(cut(bytes, 8192, pieceBytes).map(({ length }) => length)).toEqual(chunks.map(({ length }) => length));
  const sizes = chunks.slice(0, -1).map(({ length }) => length);
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(2048);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(32_768);
  // Normalized chunking brings the mean a little above the average that is asked for.
  const mean = bytes.length / chunks.length;
  expect(mean).toBeGreaterThan(7000);
  expect(mean).toBeLessThan(12_000);
  // What was cut once is cut alike for ever: stores would no longer share chunks with what they hold.
  expect(digestOf(Buffer.from(chunks.map(({ length }) => length).join())).slice(7, 23)).toBe("223f6cd9eb24e416");
  expect(cut(new Uint8Array(100_000), 8192).length).toBeLessThanOrEqual(50);
});

test("an insertion changes the chunks around it, and no others", () => {
  const bytes = randomBytes(createRandom(2), 1_000_000);
  const inserted = Buffer.concat([bytes.subarray(0, 400_000), Buffer.from("seven b"), bytes.subarray(400_000)]);
  const known = new Set(cut(bytes, 8192).map((chunk) => digestOf(chunk)));
  const fresh = cut(inserted, 8192).filter((chunk) => !known.has(digestOf(chunk)));
  expect(fresh.length).toBeLessThanOrEqual(4);
});

async function diskBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  // Blocks that are taken, not the length of the files.
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).blocks * 512),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

test("MR-6: two versions that share 99 % of their chunks cost 1.05 times the disk of one, or less, and read back whole", async () => {
  await using folder = await temporaryFolder();
  const averageBytes = 65_536;
  await using database = await openSqlite(folder.file("index.db"));
  const base = await openDirectoryArtifactStore(folder.file("chunks"));
  const store = openChunkedArtifactStore(base, { index: openRecordStore(database), averageBytes });
  const random = createRandom(3);
  const first = randomBytes(random, 10_000_000);
  const chunks = cut(first, averageBytes);
  const changed = Math.floor(chunks.length / 100);
  // One chunk of a hundred is changed, far from each other, some by an insertion that moves all that follows.
  const second = Buffer.concat(
    chunks.map((chunk, index) => {
      if (index % 100 !== 50) return chunk;
      const at = chunk.length >> 1;
      return Buffer.concat([chunk.subarray(0, at), Buffer.from("inserted"), chunk.subarray(at)]);
    }),
  );
  expect(changed).toBeGreaterThanOrEqual(1);
  const one = await store.put(first);
  const alone = await diskBytes(folder.path);
  const two = await store.put(second);
  const both = await diskBytes(folder.path);
  expect(both / alone).toBeLessThanOrEqual(1.05);
  expect(both / alone).toBeGreaterThan(1);
  for (const [info, bytes] of [
    [one, first],
    [two, second],
  ] as const) {
    expect(info).toEqual({ digest: digestOf(bytes), sizeBytes: bytes.length });
    const read: Uint8Array[] = [];
    for await (const piece of store.open(info.digest)) read.push(piece);
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
  }
});

test("a missing chunk and a list of chunks that is damaged are damage, and putting the bytes again mends them", async () => {
  const base = openMemoryArtifactStore();
  const store = openChunkedArtifactStore(base, { index: openMemoryRecordStore(), averageBytes: 1024 });
  const bytes = randomBytes(createRandom(4), 20_000);
  const info = await store.put(bytes);
  const parts: Digest[] = [];
  for await (const { digest } of base.list()) parts.push(digest);
  for (const digest of parts) {
    await base.delete(digest);
    const reading = async (): Promise<void> => {
      for await (const _ of store.open(info.digest));
    };
    await expect(reading()).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
    expect(await store.put(bytes)).toEqual(info);
    await reading();
  }
});

test("an index that names other bytes under a digest is found out while they are read", async () => {
  const index = openMemoryRecordStore();
  const store = openChunkedArtifactStore(openMemoryArtifactStore(), { index, averageBytes: 1024 });
  const [one, two] = [
    await store.put(randomBytes(createRandom(5), 9000)),
    await store.put(randomBytes(createRandom(6), 9000)),
  ];
  const other = await index.read(`chunked/${two.digest.slice(7)}`);
  await index.write(`chunked/${one.digest.slice(7)}`, other!.value);
  const reading = async (): Promise<void> => {
    for await (const _ of store.open(one.digest));
  };
  await expect(reading()).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
  await index.write(`chunked/${one.digest.slice(7)}`, { something: "else" });
  await expect(reading()).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
  expect(() => openChunkedArtifactStore(openMemoryArtifactStore(), { index, averageBytes: 1000 })).toThrow(RangeError);
});
