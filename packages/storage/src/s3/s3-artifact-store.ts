import {
  type ArtifactInfo,
  artifactCorrupt,
  artifactMissing,
  type Clock,
  createDigestBuilder,
  createIdSource,
  createRandom,
  type Digest,
  hashSeed,
  type IdSource,
  systemClock,
} from "@millwright/contracts";
import { isDigest } from "../artifacts/artifact-digest.ts";
import type { ResumableArtifactStore } from "../artifacts/artifact-upload.ts";
import type { ArtifactAge } from "../artifacts/collectable-store.ts";
import { type Bucket, openBucket, type UploadedPart } from "./s3-bucket.ts";
import type { S3Client } from "./s3-client.ts";
import { createCondemned, objectKey } from "./s3-condemned.ts";
import { keepTemporary, putSmall, type S3Artifacts } from "./s3-keep.ts";
import {
  abortParts,
  beginParts,
  completeParts,
  copyWithin,
  createPartBuffer,
  leastPartBytes,
  partSize,
  sendPart,
} from "./s3-parts.ts";
import { sweepBucket } from "./s3-sweep.ts";
import { openS3Upload } from "./s3-upload.ts";

export interface S3ArtifactStoreOptions {
  /** An `S3` of `@aws-sdk/client-s3`, for AWS or any server that speaks as it does; never closed here. */
  readonly client: S3Client;
  readonly bucket: string;
  /** Before the keys of all objects: `artifacts/`, for instance. Default: none. */
  readonly prefix?: string | undefined;
  /**
   * What is not longer is sent at once, longer streams in parts of this; about five of them are in memory at a time. From 5 MiB. Parts double each
   * 2,000, so that an artifact may have 480 GiB with 8 MiB. Default: 8 MiB.
   */
  readonly partBytes?: number | undefined;
  /** Names temporary objects. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** Parts under way at once. */
const lanes = 4;

/**
 * Artifacts as objects `sha256/ab/cdef…` in a bucket. A stream that is longer than a part goes to a temporary object, part by part, while its digest is
 * computed; S3 then copies it to its key, without the bytes coming here: no artifact is ever there under a wrong digest, and no disk is needed. Several
 * processes may use one bucket; conditional puts and strong consistency are asked of the server (AWS has both).
 */
export function openS3ArtifactStore(options: S3ArtifactStoreOptions): ResumableArtifactStore {
  const { client, prefix = "", partBytes = 8 * 1024 * 1024, clock = systemClock } = options;
  const { ids = createIdSource(clock) } = options;
  if (!(Number.isSafeInteger(partBytes) && partBytes >= leastPartBytes && partBytes <= 1024 ** 3))
    throw new RangeError(`partBytes must be from 5,242,880 to 1,073,741,824, not ${partBytes}.`);
  if (typeof options.bucket !== "string" || options.bucket === "") throw new RangeError("bucket must be a name.");
  const bucket = openBucket({ client, bucket: options.bucket, prefix });
  const random = createRandom(hashSeed(ids.next()));
  const store: S3Artifacts = { bucket, condemned: createCondemned(bucket, clock, random), clock, ids, partBytes };
  return {
    async put(bytes, { signal } = {}) {
      signal?.throwIfAborted();
      if (bytes instanceof Uint8Array && bytes.length <= partBytes)
        return await putSmall(store, new Uint8Array(bytes), signal);
      return await putStream(store, bytes instanceof Uint8Array ? piecesOf(bytes) : bytes, signal);
    },
    open: (digest, { signal } = {}) => openObject(bucket, digest, signal),
    async has(digest, { signal } = {}) {
      return (await bucket.head(objectKey(digest), signal)) !== undefined;
    },
    async delete(digest, { signal } = {}) {
      await bucket.delete(objectKey(digest), signal);
    },
    async *list({ signal } = {}) {
      for await (const { digest, sizeBytes } of listArtifacts(bucket, signal)) yield { digest, sizeBytes };
    },
    ages: ({ signal } = {}) => listArtifacts(bucket, signal),
    async touch(digest, { signal } = {}) {
      const key = objectKey(digest);
      const found = await bucket.head(key, signal);
      if (found === undefined) return false;
      return await store.condemned.keep(digest, () => copyWithin(bucket, key, key, found.sizeBytes, signal), signal);
    },
    deleteOlder: (digest, beforeMs, { signal } = {}) => store.condemned.deleteOlder(digest, beforeMs, signal),
    beginUpload: (uploadOptions = {}) => openS3Upload(store, uploadOptions),
    sweep: (sweepOptions) => sweepBucket(bucket, clock, sweepOptions),
  };
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20));
}

async function putStream(
  store: S3Artifacts,
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<ArtifactInfo> {
  const { bucket, ids, partBytes } = store;
  const key = `temporary/${ids.next()}`;
  let parts: PartsInFlight | undefined;
  const hash = createDigestBuilder();
  let sizeBytes = 0;
  const buffer = createPartBuffer(() => partSize(partBytes, (parts?.sent ?? 0) + 1));
  try {
    for await (const piece of source) {
      signal?.throwIfAborted();
      hash.update(piece);
      sizeBytes += piece.length;
      for (const part of buffer.push(piece)) {
        parts ??= await startParts(bucket, key, signal);
        await parts.send(part);
      }
    }
    signal?.throwIfAborted();
    if (parts === undefined) return await putSmall(store, buffer.rest(), signal);
    if (buffer.length > 0) await parts.send(buffer.rest());
    await parts.complete();
  } catch (error) {
    await parts?.abort();
    throw error;
  }
  const digest = hash.digest();
  await keepTemporary(store, key, { digest, sizeBytes }, signal);
  return { digest, sizeBytes };
}

interface PartsInFlight {
  /** How many were given to it. */
  readonly sent: number;
  /** Resolves when there is room for another. Throws what happened to any of them. */
  send(part: Uint8Array): Promise<void>;
  complete(): Promise<void>;
  abort(): Promise<void>;
}

async function startParts(bucket: Bucket, key: string, signal: AbortSignal | undefined): Promise<PartsInFlight> {
  const upload = await beginParts(bucket, key, signal);
  const done: UploadedPart[] = [];
  const under = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let sent = 0;
  const check = (): void => {
    if (failure !== undefined) throw failure.error;
  };
  return {
    get sent() {
      return sent;
    },
    async send(part) {
      check();
      sent += 1;
      const sending: Promise<void> = sendPart(bucket, upload, sent, part, signal)
        .then((uploaded) => void done.push(uploaded))
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => under.delete(sending));
      under.add(sending);
      if (under.size >= lanes) await Promise.race(under);
      check();
    },
    async complete() {
      await Promise.all(under);
      check();
      await completeParts(
        bucket,
        upload,
        done.toSorted((a, b) => a.PartNumber - b.PartNumber),
        signal,
      );
    },
    async abort() {
      await Promise.all(under);
      // What fails here is swept later; the failure that led here is the caller's to know.
      await abortParts(bucket, upload).catch(() => {});
    },
  };
}

async function* openObject(
  bucket: Bucket,
  digest: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = await bucket.read(objectKey(digest), signal);
  if (bytes === undefined) throw artifactMissing(digest);
  const hash = createDigestBuilder();
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const actual = hash.digest();
  if (actual !== digest) throw artifactCorrupt(digest, actual);
}

async function* listArtifacts(
  bucket: Bucket,
  signal: AbortSignal | undefined,
): AsyncGenerator<ArtifactAge, void, undefined> {
  signal?.throwIfAborted();
  for await (const { key, sizeBytes, changedMs } of bucket.list("sha256/", signal)) {
    const digest = `sha256:${key.slice("sha256/".length).replace("/", "")}`;
    if (isDigest(digest) && objectKey(digest) === key) yield { digest, sizeBytes, putMs: changedMs };
  }
}
