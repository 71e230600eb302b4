import type { S3Client } from "@millwright/storage";
import { asyncInputMissing, asyncStoreFailed } from "./async-errors.ts";
import type { PayloadStore } from "./payload-store.ts";

export interface S3PayloadOptions {
  /** An `S3` of `@aws-sdk/client-s3`, or whatever speaks as it does. */
  readonly client: S3Client;
  /** Results go here; inputs are read from any bucket that the client may read. */
  readonly bucket: string;
  /** Before each name: `late/async/`. Default: none. */
  readonly prefix?: string | undefined;
  /** Bytes of a part of an upload; as much is held of an object while it is written. At least 5 MiB. Default: 8 MiB. */
  readonly partBytes?: number | undefined;
}

/** Keeps payloads in a bucket; locations are `s3://bucket/key`. Objects appear when they are whole, as S3 has it. */
export function createS3Payloads({
  client,
  bucket,
  prefix = "",
  partBytes = 8 * 1024 * 1024,
}: S3PayloadOptions): PayloadStore {
  if (typeof bucket !== "string" || bucket === "") throw new RangeError("createS3Payloads needs the name of a bucket.");
  if (!(partBytes >= 1)) throw new RangeError(`partBytes must be a number of bytes, not ${String(partBytes)}.`);
  return {
    locationOf: (name) => `s3://${bucket}/${prefix}${name}`,
    async *open(location, { signal } = {}) {
      const place = placeOf(location);
      signal?.throwIfAborted();
      let body: AsyncIterable<Uint8Array> | undefined;
      try {
        body = (await client.getObject(place, calling(signal))).Body?.transformToWebStream() as typeof body;
      } catch (error) {
        throw signal?.aborted === true ? signal.reason : asyncInputMissing(location, error);
      }
      if (body !== undefined) yield* body;
    },
    async write(location, bytes, { signal } = {}) {
      signal?.throwIfAborted();
      return uploadWhole(client, location, { bytes, partBytes, signal });
    },
    async move(from, to, { signal } = {}) {
      signal?.throwIfAborted();
      const source = placeOf(from);
      const CopySource = `${source.Bucket}/${source.Key.split("/").map(encodeURIComponent).join("/")}`;
      try {
        await client.copyObject({ ...placeOf(to), CopySource, MetadataDirective: "REPLACE" }, calling(signal));
        await client.deleteObject(source, calling(signal));
      } catch (error) {
        // Whoever was here before has done it.
        const there = await client.headObject(placeOf(to), calling(signal)).catch(() => undefined);
        const left = await client.headObject(source, calling(signal)).catch(() => undefined);
        if (there === undefined || left !== undefined) throw asyncStoreFailed(to, error);
      }
    },
    async delete(location, { signal } = {}) {
      signal?.throwIfAborted();
      await client.deleteObject(placeOf(location), calling(signal));
    },
  };
}

const calling = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
  signal === undefined ? {} : { abortSignal: signal };

interface S3Place {
  readonly Bucket: string;
  readonly Key: string;
}

function placeOf(location: string): S3Place {
  const parts = /^s3:\/\/([^/]+)\/(.+)$/s.exec(location);
  if (parts === null) throw asyncInputMissing(location);
  return { Bucket: parts[1] as string, Key: parts[2] as string };
}

interface Upload {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly partBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** One request where it fits into a part, else an upload of several that is ended as a whole. */
async function uploadWhole(client: S3Client, location: string, { bytes, partBytes, signal }: Upload): Promise<number> {
  const place = placeOf(location);
  const options = calling(signal);
  const attempt = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : asyncStoreFailed(location, error);
    }
  };
  let size = 0;
  let UploadId: string | undefined;
  const parts: { PartNumber: number; ETag: string }[] = [];
  try {
    for await (const { part, last } of partsOf(bytes, partBytes)) {
      size += part.length;
      const sized = { Body: part, ContentLength: part.length };
      if (last && UploadId === undefined) {
        await attempt(() => client.putObject({ ...place, ...sized }, options));
        return size;
      }
      UploadId ??= (await attempt(() => client.createMultipartUpload(place, options))).UploadId ?? "";
      const PartNumber = parts.length + 1;
      const upload = { ...place, UploadId, PartNumber, ...sized };
      const { ETag = "" } = await attempt(() => client.uploadPart(upload, options));
      parts.push({ PartNumber, ETag });
    }
    const whole = { ...place, UploadId: UploadId ?? "", MultipartUpload: { Parts: parts } };
    await attempt(() => client.completeMultipartUpload(whole, options));
    return size;
  } catch (error) {
    if (UploadId !== undefined) await client.abortMultipartUpload({ ...place, UploadId }).catch(() => undefined);
    throw error;
  }
}

/** Pieces as parts of one size; there is always a last one, which may be smaller. */
async function* partsOf(
  bytes: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<{ readonly part: Uint8Array; readonly last: boolean }, void> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    let rest = piece;
    while (size + rest.length > partBytes) {
      const taken = partBytes - size;
      yield { part: Buffer.concat([...held, rest.subarray(0, taken)]), last: false };
      held = [];
      size = 0;
      rest = rest.subarray(taken);
    }
    if (rest.length > 0) held.push(rest);
    size += rest.length;
  }
  yield { part: Buffer.concat(held), last: true };
}
