import type { Bucket, UploadedPart } from "./s3-bucket.ts";
import { isMissingObject } from "./s3-errors.ts";

/** S3 takes no smaller part, the last one aside. */
export const leastPartBytes: number = 5 * 1024 * 1024;
/** Parts double each time so many were sent, since S3 takes 10,000 of one object. */
const partsOfOneSize = 2000;
/** A greater object is copied in parts. */
const mostCopiedBytes = 5 * 1024 * 1024 * 1024;
const copiedPartBytes = 1024 * 1024 * 1024;

export const partSize = (partBytes: number, part: number): number =>
  partBytes * 2 ** Math.floor((part - 1) / partsOfOneSize);

/** A multipart upload of one object. */
export interface PartsUpload {
  readonly key: string;
  readonly uploadId: string;
}

export async function beginParts(bucket: Bucket, key: string, signal?: AbortSignal): Promise<PartsUpload> {
  const { client } = bucket.options;
  const begun = await bucket.call(signal, (abort) => client.createMultipartUpload(bucket.place(key), abort));
  return { key, uploadId: begun.UploadId ?? "" };
}

export async function sendPart(
  bucket: Bucket,
  { key, uploadId }: PartsUpload,
  part: number,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<UploadedPart> {
  const place = { ...bucket.place(key), UploadId: uploadId, PartNumber: part };
  const input = { ...place, Body: bytes, ContentLength: bytes.length };
  const sent = await bucket.call(signal, (abort) => bucket.options.client.uploadPart(input, abort));
  return { PartNumber: part, ETag: sent.ETag ?? "", sizeBytes: bytes.length };
}

export async function completeParts(
  bucket: Bucket,
  { key, uploadId }: PartsUpload,
  parts: readonly UploadedPart[],
  signal?: AbortSignal,
): Promise<void> {
  const Parts = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
  const input = { ...bucket.place(key), UploadId: uploadId, MultipartUpload: { Parts } };
  await bucket.call(signal, (abort) => bucket.options.client.completeMultipartUpload(input, abort));
}

/** Gives up the upload; one that is over already is left alone. */
export async function abortParts(bucket: Bucket, { key, uploadId }: PartsUpload): Promise<void> {
  const input = { ...bucket.place(key), UploadId: uploadId };
  await bucket.call(undefined, async (abort) => {
    try {
      await bucket.options.client.abortMultipartUpload(input, abort);
    } catch (error) {
      if (!isMissingObject(error)) throw error;
    }
  });
}

/** The parts that came, in order. Undefined where the upload is over. */
export async function partsOf(
  bucket: Bucket,
  { key, uploadId }: PartsUpload,
  signal?: AbortSignal,
): Promise<readonly UploadedPart[] | undefined> {
  const place = { ...bucket.place(key), UploadId: uploadId };
  const parts: UploadedPart[] = [];
  let after: string | undefined;
  do {
    const input = { ...place, ...(after === undefined ? {} : { PartNumberMarker: after }) };
    const page = await bucket.call(signal, async (abort) => {
      try {
        return await bucket.options.client.listParts(input, abort);
      } catch (error) {
        if (isMissingObject(error)) return undefined;
        throw error;
      }
    });
    if (page === undefined) return undefined;
    for (const { PartNumber = 0, ETag = "", Size = 0 } of page.Parts ?? [])
      parts.push({ PartNumber, ETag, sizeBytes: Size });
    after = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
  } while (after !== undefined);
  return parts.toSorted((a, b) => a.PartNumber - b.PartNumber);
}

/** Copies within the bucket, without the bytes coming here. @returns false where the source is not there. */
export async function copyWithin(
  bucket: Bucket,
  from: string,
  to: string,
  sizeBytes: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const { client } = bucket.options;
  const CopySource = bucket.sourceOf(from);
  if (sizeBytes > mostCopiedBytes) return await copyParts(bucket, CopySource, to, sizeBytes, signal);
  return await bucket.call(signal, async (abort) => {
    try {
      await client.copyObject({ ...bucket.place(to), CopySource, MetadataDirective: "REPLACE" }, abort);
      return true;
    } catch (error) {
      if (isMissingObject(error)) return false;
      throw error;
    }
  });
}

async function copyParts(
  bucket: Bucket,
  CopySource: string,
  to: string,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const upload = await beginParts(bucket, to, signal);
  const parts: UploadedPart[] = [];
  try {
    for (let start = 0, part = 1; start < sizeBytes; start += copiedPartBytes, part += 1) {
      const end = Math.min(sizeBytes, start + copiedPartBytes);
      const place = { ...bucket.place(to), UploadId: upload.uploadId, PartNumber: part };
      const input = { ...place, CopySource, CopySourceRange: `bytes=${start}-${end - 1}` };
      const copied = await bucket.call(signal, (abort) => bucket.options.client.uploadPartCopy(input, abort));
      parts.push({ PartNumber: part, ETag: copied.CopyPartResult?.ETag ?? "", sizeBytes: end - start });
    }
    await completeParts(bucket, upload, parts, signal);
    return true;
  } catch (error) {
    await abortParts(bucket, upload).catch(() => {});
    if (isMissingObject((error as { readonly cause?: unknown }).cause)) return false;
    throw error;
  }
}

/** Gathers bytes into parts. Each piece is copied: the caller may use its buffer again. */
export interface PartBuffer {
  readonly length: number;
  /** The parts that are full with these bytes. `sizeOf` tells how large the next one is. */
  push(bytes: Uint8Array): Generator<Uint8Array, void, undefined>;
  /** What waits for a part to fill, and goes on waiting. */
  rest(): Uint8Array;
  /** The same, taken out. */
  take(): Uint8Array;
}

export function createPartBuffer(nextSize: () => number): PartBuffer {
  let pieces: Uint8Array[] = [];
  let length = 0;
  const take = (): Uint8Array => {
    const part = Buffer.concat(pieces, length);
    [pieces, length] = [[], 0];
    return part;
  };
  return {
    get length() {
      return length;
    },
    *push(bytes) {
      const own = new Uint8Array(bytes);
      for (let at = 0; at < own.length;) {
        const room = nextSize() - length;
        const piece = own.subarray(at, at + room);
        pieces.push(piece);
        length += piece.length;
        at += piece.length;
        if (length === nextSize()) yield take();
      }
    },
    rest() {
      const whole = Buffer.concat(pieces, length);
      pieces = [whole];
      return whole;
    },
    take,
  };
}
