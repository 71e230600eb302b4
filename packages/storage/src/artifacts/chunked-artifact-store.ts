import {
  type ArtifactInfo,
  artifactCorrupt,
  artifactMissing,
  type Clock,
  createDigestBuilder,
  type Digest,
  hasCode,
  type JsonValue,
  type RecordStore,
  systemClock,
} from "@millwright/contracts";
import { recipeCorrupt } from "../errors.ts";
import { hexOf, isDigest } from "./artifact-digest.ts";
import { collectGarbage } from "./collect-garbage.ts";
import type { ArtifactAge, CollectableArtifactStore, SweepOptions, SweepReport } from "./collectable-store.ts";
import { createContentChunker } from "./content-chunks.ts";
import { decodeRecipe, encodeRecipe, type RecipeChunk } from "./recipe.ts";

export interface ChunkedArtifactStoreOptions {
  /** Which artifacts there are, and what they are made of; changed by compare-and-swap, so that several processes may share it. */
  readonly index: RecordStore;
  /** Before the digests in the index. Default: `chunked`. */
  readonly namespace?: string | undefined;
  /** Of a chunk: a power of two from 1,024 to 67,108,864. Stores of one base share chunks only where it is the same. Default: 262,144. */
  readonly averageBytes?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** Chunks that nothing is made of are kept so long, and a put keeps its own younger than that by far. */
const chunkGraceMs = 24 * 60 * 60 * 1000;
const refreshAfterMs = chunkGraceMs / 8;
/** Chunks on their way to the base at once. */
const lanes = 8;

/**
 * Stores artifacts as chunks that are cut where their content says, so that versions that share most of their bytes share most of their room. Artifacts
 * keep their own digest; the chunks, and the list of them that each artifact has, are artifacts of the base, which belongs to this store alone: `sweep`
 * deletes all in it that no artifact is made of.
 */
export function openChunkedArtifactStore(
  base: CollectableArtifactStore,
  options: ChunkedArtifactStoreOptions,
): CollectableArtifactStore {
  const { averageBytes = 1 << 18, clock = systemClock, namespace = "chunked" } = options;
  createContentChunker(averageBytes);
  const index = createIndex(options.index, `${namespace}/`);
  return {
    async put(bytes, { signal } = {}) {
      signal?.throwIfAborted();
      const { info, chunks } = await putChunks(base, chunksOf(bytes, averageBytes, signal), clock, signal);
      const recipe = chunks.length > 1 ? (await base.put(encodeRecipe(chunks), { signal })).digest : undefined;
      await index.write(info.digest, { sizeBytes: info.sizeBytes, putMs: clock.nowMs(), recipe }, signal);
      return info;
    },
    open: (digest, { signal } = {}) => openArtifact(base, index, digest, signal),
    async has(digest, { signal } = {}) {
      return (await index.read(digest, signal)) !== undefined;
    },
    delete: (digest, { signal } = {}) => index.delete(digest, undefined, signal),
    async *list({ signal } = {}) {
      for await (const { digest, entry } of index.list(signal)) yield { digest, sizeBytes: entry.sizeBytes };
    },
    async *ages({ signal } = {}): AsyncGenerator<ArtifactAge> {
      for await (const { digest, entry } of index.list(signal))
        yield { digest, sizeBytes: entry.sizeBytes, putMs: entry.putMs };
    },
    async touch(digest, { signal } = {}) {
      for (;;) {
        const found = await index.read(digest, signal);
        if (found === undefined) return false;
        const entry = { ...found.entry, putMs: clock.nowMs() };
        if (await agreed(index.write(digest, entry, signal, found.version))) return true;
      }
    },
    async deleteOlder(digest, beforeMs, { signal } = {}) {
      const found = await index.read(digest, signal);
      if (found === undefined || found.entry.putMs >= beforeMs) return false;
      return await agreed(index.delete(digest, found.version, signal));
    },
    sweep: (sweepOptions) => sweepChunks(base, index, clock, sweepOptions),
  };
}

async function* chunksOf(
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  averageBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunker = createContentChunker(averageBytes);
  if (bytes instanceof Uint8Array) yield* chunker.push(bytes);
  else {
    for await (const piece of bytes) {
      signal?.throwIfAborted();
      yield* chunker.push(piece);
    }
  }
  signal?.throwIfAborted();
  const last = chunker.end();
  if (last !== undefined) yield last;
}

async function putChunks(
  base: CollectableArtifactStore,
  source: AsyncIterable<Uint8Array>,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<{ readonly info: ArtifactInfo; readonly chunks: readonly RecipeChunk[] }> {
  const hash = createDigestBuilder();
  const chunks: RecipeChunk[] = [];
  let under: Promise<RecipeChunk>[] = [];
  let sizeBytes = 0;
  let freshMs = clock.nowMs();
  const settle = async (): Promise<void> => {
    const waited = under;
    under = [];
    chunks.push(...(await Promise.all(waited)));
    // A stream may take longer than chunks that nothing is made of are kept.
    if (clock.nowMs() - freshMs < refreshAfterMs) return;
    freshMs = clock.nowMs();
    for (const { digest } of chunks) if (!(await base.touch(digest, { signal }))) throw artifactMissing(digest);
  };
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      under.push(base.put(chunk, { signal }));
      if (under.length === lanes) await settle();
    }
    if (sizeBytes === 0) under.push(base.put(new Uint8Array(), { signal }));
    await settle();
  } catch (error) {
    await Promise.allSettled(under);
    throw error;
  }
  return { info: { digest: hash.digest(), sizeBytes }, chunks };
}

async function* openArtifact(
  base: CollectableArtifactStore,
  index: ChunkIndex,
  digest: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const found = await index.read(digest, signal);
  if (found === undefined) throw artifactMissing(digest);
  const hash = createDigestBuilder();
  for await (const chunk of chunksIn(base, digest, found.entry, signal)) {
    try {
      for await (const bytes of base.open(chunk, { signal })) {
        hash.update(bytes);
        yield bytes;
      }
    } catch (error) {
      throw hasCode(error, "PORT_ARTIFACT_MISSING")
        ? recipeCorrupt(digest, `its chunk ${chunk} is missing`, error)
        : error;
    }
  }
  const actual = hash.digest();
  if (actual !== digest) throw artifactCorrupt(digest, actual);
}

/** The digests of its chunks, in order. An artifact of one chunk is that chunk. */
async function* chunksIn(
  base: CollectableArtifactStore,
  digest: Digest,
  { recipe }: IndexEntry,
  signal: AbortSignal | undefined,
): AsyncGenerator<Digest, void, undefined> {
  if (recipe === undefined) {
    yield digest;
    return;
  }
  try {
    for await (const chunk of decodeRecipe(digest, base.open(recipe, { signal }))) yield chunk.digest;
  } catch (error) {
    throw hasCode(error, "PORT_ARTIFACT_MISSING")
      ? recipeCorrupt(digest, "its list of chunks is missing", error)
      : error;
  }
}

/** Everything that was in the index at some moment after this began is marked: a put writes there while its chunks are young. */
async function sweepChunks(
  base: CollectableArtifactStore,
  index: ChunkIndex,
  clock: Clock,
  { beforeMs, dryRun, signal }: SweepOptions,
): Promise<SweepReport> {
  const nowMs = clock.nowMs();
  const graceMs = Math.max(chunkGraceMs, nowMs - beforeMs);
  const reachable = async function* (): AsyncGenerator<Digest> {
    for await (const { digest, entry } of index.list(signal)) {
      if (entry.recipe !== undefined) yield entry.recipe;
      try {
        for await (const chunk of chunksIn(base, digest, entry, signal)) yield chunk;
      } catch (error) {
        // Deleted while the index was read; anything else keeps this from deleting what it cannot know.
        if ((await index.read(digest, signal)) !== undefined) throw error;
      }
    }
  };
  const report = await collectGarbage(base, { reachable: reachable(), graceMs, dryRun, clock, signal });
  return {
    objects: report.deleted.artifacts + report.swept.objects,
    bytes: report.deleted.bytes + report.swept.bytes,
  };
}

interface IndexEntry {
  readonly sizeBytes: number;
  readonly putMs: number;
  /** The list of its chunks; undefined where it is one. */
  readonly recipe: Digest | undefined;
}

interface ChunkIndex {
  read(
    digest: Digest,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly entry: IndexEntry; readonly version: number } | undefined>;
  write(digest: Digest, entry: IndexEntry, signal: AbortSignal | undefined, ifVersion?: number): Promise<void>;
  delete(digest: Digest, ifVersion: number | undefined, signal: AbortSignal | undefined): Promise<void>;
  list(signal: AbortSignal | undefined): AsyncIterable<{ readonly digest: Digest; readonly entry: IndexEntry }>;
}

function createIndex(records: RecordStore, prefix: string): ChunkIndex {
  const keyOf = (digest: Digest): string => `${prefix}${hexOf(digest)}`;
  return {
    async read(digest, signal) {
      const record = await records.read(keyOf(digest), { signal });
      return record === undefined ? undefined : { entry: parseEntry(digest, record.value), version: record.version };
    },
    async write(digest, { sizeBytes, putMs, recipe = null }, signal, ifVersion) {
      await records.write(keyOf(digest), { formatVersion: 1, sizeBytes, putMs, recipe }, { signal, ifVersion });
    },
    delete: (digest, ifVersion, signal) => records.delete(keyOf(digest), { signal, ifVersion }),
    async *list(signal) {
      for await (const { key, value } of records.list(prefix, { signal })) {
        const digest = `sha256:${key.slice(prefix.length)}`;
        if (isDigest(digest)) yield { digest, entry: parseEntry(digest, value) };
      }
    },
  };
}

function parseEntry(digest: Digest, value: JsonValue): IndexEntry {
  const { formatVersion, sizeBytes, putMs, recipe } = (value ?? {}) as Readonly<Record<string, JsonValue>>;
  const isKnown = formatVersion === 1 && typeof sizeBytes === "number" && typeof putMs === "number";
  if (!isKnown || !(recipe === null || (typeof recipe === "string" && isDigest(recipe))))
    throw recipeCorrupt(digest, `its record in the index is ${JSON.stringify(value)?.slice(0, 200)}`);
  return { sizeBytes, putMs, recipe: recipe ?? undefined };
}

/** Whether the condition held. */
async function agreed(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (hasCode(error, "PORT_VERSION_CONFLICT")) return false;
    throw error;
  }
}
