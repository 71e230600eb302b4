import {
  type Clock,
  createRandom,
  hashSeed,
  type IdSource,
  createIdSource,
  type JsonValue,
  type RecordStore,
  type StoredRecord,
  systemClock,
  versionConflict,
} from "@millwright/contracts";
import { formatNewer, recordCorrupt } from "../errors.ts";
import { checkKey, recordText } from "../record-text.ts";
import { type Bucket, openBucket } from "./s3-bucket.ts";
import type { S3Client } from "./s3-client.ts";

export interface S3RecordStoreOptions {
  /** An `S3` of `@aws-sdk/client-s3`; never closed here. */
  readonly client: S3Client;
  readonly bucket: string;
  /** Before the keys of all objects. Default: `records/`. */
  readonly prefix?: string | undefined;
  /** Spaces the tries of writers that meet. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Names writes. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

/** An object: the record, or without a value that it was deleted: its version goes on counting, and no two objects of a key are ever equal. */
interface RecordObject {
  readonly version: number;
  readonly value?: JsonValue | undefined;
  /** Of the write that made it. */
  readonly write?: string | undefined;
}

interface FoundRecord extends RecordObject {
  readonly etag: string | undefined;
}

const formatVersion = 1;
/** S3 takes 1,024 bytes of key, of which two stand for each of a record's. */
const longestKeyBytes = 400;
/** Records that are read at once for a list. */
const lanes = 8;

/**
 * Small JSON records as objects in a bucket, with compare-and-swap by conditional puts among all machines that use it. Names of objects are the keys in
 * hexadecimal, which keeps their order.
 */
export function openS3RecordStore(options: S3RecordStoreOptions): RecordStore {
  const { client, prefix = "records/", clock = systemClock, ids = createIdSource(clock) } = options;
  if (typeof options.bucket !== "string" || options.bucket === "") throw new RangeError("bucket must be a name.");
  const bucket = openBucket({ client, bucket: options.bucket, prefix });
  const random = createRandom(hashSeed(ids.next()));
  const change = async (
    key: string,
    ifVersion: number | undefined,
    signal: AbortSignal | undefined,
    next: (last: number, isThere: boolean) => RecordObject | undefined,
  ): Promise<number> => {
    const name = nameOf(key);
    const write = ids.next();
    for (let attempt = 0; ; attempt += 1) {
      const found = await readObject(bucket, name, signal);
      // The client asks again where an answer was lost, and finds that what it wrote stands in its own way.
      if (found?.write === write) return found.version;
      const current = found?.value === undefined ? 0 : found.version;
      if (ifVersion !== undefined && ifVersion !== current) throw versionConflict(key, ifVersion, current);
      const record = next(found?.version ?? 0, current > 0);
      if (record === undefined) return current;
      const text = JSON.stringify({ formatVersion, key, write, ...record });
      if ((await bucket.putIf(name, Buffer.from(text), found?.etag, signal)) !== undefined) return record.version;
      // Another was first. Those that meet again and again spread.
      await clock.sleep(random.next() * Math.min(500, 5 * 2 ** attempt), { signal });
    }
  };
  return {
    async read(key, { signal } = {}) {
      signal?.throwIfAborted();
      checkKey(key);
      return storedRecord(key, await readObject(bucket, nameOf(key), signal));
    },
    async write(key, value, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      checkKey(key);
      // Refuses what JSON would change.
      recordText(value);
      return await change(key, ifVersion, signal, (last) => ({ version: last + 1, value }));
    },
    async delete(key, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      checkKey(key);
      await change(key, ifVersion, signal, (last, isThere) => (isThere ? { version: last } : undefined));
    },
    list: (prefixOfKeys, { signal } = {}) => listRecords(bucket, prefixOfKeys, signal),
  };
}

function nameOf(key: string): string {
  const bytes = Buffer.from(key, "utf8");
  if (bytes.length > longestKeyBytes)
    throw new RangeError(`A key in S3 may have ${longestKeyBytes} bytes, not ${bytes.length}.`);
  // An object must have a name, also that of the empty key.
  return `k${bytes.toString("hex")}`;
}

/** Throws `STORAGE_FILE_CORRUPT`, `STORAGE_FORMAT_NEWER`. */
async function readObject(
  bucket: Bucket,
  name: string,
  signal: AbortSignal | undefined,
): Promise<FoundRecord | undefined> {
  const found = await bucket.get(name, signal);
  if (found === undefined) return undefined;
  const where = `${bucket.options.bucket}/${bucket.options.prefix}${name}`;
  let record: (RecordObject & { readonly formatVersion?: number }) | null;
  try {
    record = JSON.parse(Buffer.from(found.bytes).toString("utf8")) as RecordObject | null;
  } catch (error) {
    throw recordCorrupt(where, error);
  }
  if (!Number.isSafeInteger(record?.version)) throw recordCorrupt(where);
  const { formatVersion: version = 0, ...rest } = record as RecordObject & { readonly formatVersion?: number };
  if (version > formatVersion) throw formatNewer(where, version, formatVersion);
  return { version: rest.version, value: rest.value, write: rest.write, etag: found.etag };
}

function storedRecord(key: string, found: FoundRecord | undefined): StoredRecord | undefined {
  return found?.value === undefined ? undefined : { key, value: found.value, version: found.version };
}

async function* listRecords(
  bucket: Bucket,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredRecord, void, undefined> {
  signal?.throwIfAborted();
  const readAll = async (names: readonly string[]): Promise<StoredRecord[]> => {
    const read = names.map(async (name) => {
      const key = Buffer.from(name.slice(1), "hex").toString("utf8");
      return storedRecord(key, await readObject(bucket, name, signal));
    });
    return (await Promise.all(read)).filter((record) => record !== undefined);
  };
  let names: string[] = [];
  for await (const { key } of bucket.list(`k${Buffer.from(prefix, "utf8").toString("hex")}`, signal)) {
    if (!/^k(?:[0-9a-f]{2})*$/.test(key)) continue;
    names.push(key);
    if (names.length < lanes) continue;
    yield* await readAll(names);
    names = [];
  }
  yield* await readAll(names);
}
