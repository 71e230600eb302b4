import type { S3Client } from "./s3-client.ts";
import { bucketFailure, isConflict, isMissingObject, streamFailure } from "./s3-errors.ts";

export interface BucketOptions {
  readonly client: S3Client;
  readonly bucket: string;
  /** Before all keys. */
  readonly prefix: string;
}

export interface FoundObject {
  readonly sizeBytes: number;
  readonly etag: string | undefined;
  /** UTC milliseconds: the end of the second that S3 names, since it tells no more. */
  readonly changedMs: number;
}

export interface ListedObject extends FoundObject {
  /** Without the prefix. */
  readonly key: string;
}

export interface UploadedPart {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly sizeBytes: number;
}

/** Objects below a prefix; what fails is an error of the house, and an aborted signal rejects with its reason. */
export interface Bucket {
  readonly options: BucketOptions;
  /** Undefined where there is none. */
  head(key: string, signal?: AbortSignal): Promise<FoundObject | undefined>;
  /** A small object, whole. */
  get(
    key: string,
    signal?: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array; readonly etag: string | undefined } | undefined>;
  /** Its bytes, with further requests where the connection breaks. Undefined where there is none. */
  read(key: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * @param etag What it must replace; undefined: nothing may be there.
   * @returns the new tag; undefined where another was there first.
   */
  putIf(key: string, bytes: Uint8Array, etag: string | undefined, signal?: AbortSignal): Promise<string | undefined>;
  delete(key: string, signal?: AbortSignal): Promise<void>;
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ListedObject>;
  /** Does a call of the client's own. */
  call<Result>(signal: AbortSignal | undefined, work: (options: CallAbort) => Promise<Result>): Promise<Result>;
  place(key: string): { readonly Bucket: string; readonly Key: string };
  /** As the source of a copy. */
  sourceOf(key: string): string;
}

type CallAbort = { readonly abortSignal?: AbortSignal };

/** A stream is taken up again so often without a byte between. */
const mostBreaks = 4;

export function openBucket(options: BucketOptions): Bucket {
  const { client, bucket, prefix } = options;
  const place = (key: string) => ({ Bucket: bucket, Key: `${prefix}${key}` });
  const call: Bucket["call"] = async (signal, work) => {
    signal?.throwIfAborted();
    try {
      return await work(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw bucketFailure(bucket, error);
    }
  };
  return {
    options,
    call,
    place,
    sourceOf: (key) => `${bucket}/${`${prefix}${key}`.split("/").map(encodeURIComponent).join("/")}`,
    ...objectReads(options, place, call),
    async put(key, bytes, signal) {
      await call(signal, (abort) =>
        client.putObject({ ...place(key), Body: bytes, ContentLength: bytes.length }, abort),
      );
    },
    putIf: (key, bytes, etag, signal) =>
      call(signal, async (abort) => {
        const condition = etag === undefined ? { IfNoneMatch: "*" } : { IfMatch: etag };
        const input = { ...place(key), Body: bytes, ContentLength: bytes.length, ...condition };
        // Where what was to be replaced is gone, S3 says that there is no such key.
        const put = await or(client.putObject(input, abort), (error) => isConflict(error) || isMissingObject(error));
        return put?.ETag;
      }),
    async delete(key, signal) {
      await call(signal, (abort) => or(client.deleteObject(place(key), abort), isMissingObject));
    },
    list: (start, signal) => listObjects(options, start, call, signal),
  };
}

/** The result, or nothing where the failure is an answer. */
async function or<Result>(work: Promise<Result>, isAnswer: (error: unknown) => boolean): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isAnswer(error)) return undefined;
    throw error;
  }
}

function objectReads(
  options: BucketOptions,
  place: Bucket["place"],
  call: Bucket["call"],
): Pick<Bucket, "head" | "get" | "read"> {
  const { client } = options;
  return {
    head: (key, signal) =>
      call(signal, async (abort) => {
        const found = await or(client.headObject(place(key), abort), isMissingObject);
        return found === undefined ? undefined : foundObject(found.ContentLength, found.ETag, found.LastModified);
      }),
    get: (key, signal) =>
      call(signal, async (abort) => {
        const found = await or(client.getObject(place(key), abort), isMissingObject);
        if (found === undefined) return undefined;
        const chunks: Uint8Array[] = [];
        for await (const chunk of bodyOf(found)) chunks.push(chunk);
        return { bytes: Buffer.concat(chunks), etag: found.ETag };
      }),
    async read(key, signal) {
      const first = await call(signal, (abort) => or(client.getObject(place(key), abort), isMissingObject));
      return first === undefined ? undefined : readOn(options, place(key), first, signal);
    },
  };
}

const foundObject = (
  sizeBytes: number | undefined,
  etag: string | undefined,
  changed: Date | undefined,
): FoundObject => ({ sizeBytes: sizeBytes ?? 0, etag, changedMs: (changed?.getTime() ?? 0) + 999 });

type GotObject = Awaited<ReturnType<S3Client["getObject"]>>;

const bodyOf = (found: GotObject): AsyncIterable<Uint8Array> =>
  (found.Body?.transformToWebStream() ?? []) as AsyncIterable<Uint8Array>;

async function* readOn(
  { client, bucket }: BucketOptions,
  place: { readonly Bucket: string; readonly Key: string },
  first: GotObject,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const total = first.ContentLength;
  const { ETag: etag } = first;
  let found = first;
  let offset = 0;
  for (let breaks = 0; ;) {
    try {
      for await (const chunk of bodyOf(found)) {
        signal?.throwIfAborted();
        offset += chunk.length;
        breaks = 0;
        yield chunk;
      }
      if (total === undefined || offset >= total) return;
    } catch (error) {
      signal?.throwIfAborted();
      breaks += 1;
      if (etag === undefined || breaks > mostBreaks) throw streamFailure(bucket, error);
    }
    if (total !== undefined && offset >= total) return;
    // The same object, from where it broke off.
    const range = { ...place, Range: `bytes=${offset}-`, ...(etag === undefined ? {} : { IfMatch: etag }) };
    try {
      found = await client.getObject(range, signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw bucketFailure(bucket, error);
    }
  }
}

async function* listObjects(
  { client, bucket, prefix }: BucketOptions,
  start: string,
  call: Bucket["call"],
  signal: AbortSignal | undefined,
): AsyncGenerator<ListedObject, void, undefined> {
  let after: string | undefined;
  do {
    const more = after === undefined ? {} : { ContinuationToken: after };
    const input = { Bucket: bucket, Prefix: `${prefix}${start}`, ...more };
    const page = await call(signal, (abort) => client.listObjectsV2(input, abort));
    for (const { Key = "", Size, LastModified } of page.Contents ?? []) {
      signal?.throwIfAborted();
      yield { key: Key.slice(prefix.length), ...foundObject(Size, undefined, LastModified) };
    }
    after = page.NextContinuationToken;
  } while (after !== undefined);
}
