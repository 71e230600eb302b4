import { createHash } from "node:crypto";
import type { Clock } from "@millwright/contracts";
import type { S3Client } from "@millwright/storage/drivers/s3";

interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly changed: Date;
}

interface FakeUpload {
  readonly key: string;
  readonly parts: Map<number, StoredObject>;
  readonly begun: Date;
}

export interface FakeS3 extends S3Client {
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, FakeUpload>;
  /** How often each call was made. */
  readonly calls: Map<string, number>;
}

export interface FakeS3Options {
  readonly clock: Clock;
  /** Waited for before and after each call is carried out: its steps stay one. */
  readonly turns?: (() => Promise<void>) | undefined;
  /** Called before each call: may throw. */
  readonly onCall?: ((name: string, input: Readonly<Record<string, unknown>>) => void) | undefined;
  /** The same server, seen by another client. Default: a server of its own. */
  readonly server?: FakeS3 | undefined;
  /** A stream of a body breaks off after so many bytes, once each time it is set. */
  breakAfterBytes?: number | undefined;
}

const leastPartBytes = 5 * 1024 * 1024;

const failed = (name: string, status: number): Error =>
  Object.assign(new Error(`${name}.`), { name, $metadata: { httpStatusCode: status } });

/** An S3 in memory: strongly consistent, with conditional puts, times in whole seconds, and its rules for parts. */
export function fakeS3(options: FakeS3Options): FakeS3 {
  const objects = options.server?.objects ?? new Map<string, StoredObject>();
  const uploads = options.server?.uploads ?? new Map<string, FakeUpload>();
  const calls = new Map<string, number>();
  let count = 0;
  const now = (): Date => new Date(Math.floor(options.clock.nowMs() / 1000) * 1000);
  const stored = (bytes: Uint8Array): StoredObject => ({
    bytes: Buffer.from(bytes),
    etag: `"${createHash("md5").update(bytes).digest("hex")}"`,
    changed: now(),
  });
  const found = (key: string, missing: string): StoredObject => {
    const object = objects.get(key);
    if (object === undefined) throw failed(missing, 404);
    return object;
  };
  const uploadOf = (id: string): FakeUpload => {
    const upload = uploads.get(id);
    if (upload === undefined) throw failed("NoSuchUpload", 404);
    return upload;
  };
  const sourceOf = (copySource: string): StoredObject =>
    found(decodeURIComponent(copySource.slice(copySource.indexOf("/") + 1)), "NoSuchKey");
  const sync = {
    putObject: ({
      Key,
      Body,
      IfMatch,
      IfNoneMatch,
    }: {
      Key: string;
      Body: Uint8Array;
      IfMatch?: string;
      IfNoneMatch?: string;
    }) => {
      const there = objects.get(Key);
      if (IfNoneMatch === "*" && there !== undefined) throw failed("PreconditionFailed", 412);
      if (IfMatch !== undefined && there === undefined) throw failed("NoSuchKey", 404);
      if (IfMatch !== undefined && there?.etag !== IfMatch) throw failed("PreconditionFailed", 412);
      const object = stored(Body);
      objects.set(Key, object);
      return { ETag: object.etag };
    },
    getObject: ({ Key, Range, IfMatch }: { Key: string; Range?: string; IfMatch?: string }) => {
      const object = found(Key, "NoSuchKey");
      if (IfMatch !== undefined && object.etag !== IfMatch) throw failed("PreconditionFailed", 412);
      const bytes = object.bytes.subarray(Number(/bytes=(\d+)/.exec(Range ?? "")?.[1] ?? 0));
      const facts = { ContentLength: bytes.length, ETag: object.etag, LastModified: object.changed };
      return { ...facts, Body: { transformToWebStream: () => streamOf(bytes, options) } };
    },
    headObject: ({ Key }: { Key: string }) => {
      const { bytes, etag, changed } = found(Key, "NotFound");
      return { ContentLength: bytes.length, ETag: etag, LastModified: changed };
    },
    deleteObject: ({ Key }: { Key: string }) => void objects.delete(Key),
    listObjectsV2: ({ Prefix, ContinuationToken = "" }: { Prefix: string; ContinuationToken?: string }) => {
      const keys = [...objects.keys()].filter((key) => key.startsWith(Prefix) && key > ContinuationToken).toSorted();
      const page = keys.slice(0, 7);
      const Contents = page.map((Key) => {
        const { bytes, changed } = objects.get(Key) as StoredObject;
        return { Key, Size: bytes.length, LastModified: changed };
      });
      return { Contents, NextContinuationToken: keys.length > page.length ? page.at(-1) : undefined };
    },
    copyObject: ({ Key, CopySource }: { Key: string; CopySource: string }) =>
      void objects.set(Key, { ...sourceOf(CopySource), changed: now() }),
    createMultipartUpload: ({ Key }: { Key: string }) => {
      const UploadId = `upload-${(count += 1)}`;
      uploads.set(UploadId, { key: Key, parts: new Map(), begun: now() });
      return { UploadId };
    },
    uploadPart: ({ UploadId, PartNumber, Body }: { UploadId: string; PartNumber: number; Body: Uint8Array }) => {
      const part = stored(Body);
      uploadOf(UploadId).parts.set(PartNumber, part);
      return { ETag: part.etag };
    },
    uploadPartCopy: (input: { UploadId: string; PartNumber: number; CopySource: string; CopySourceRange: string }) => {
      const [, start, end] = /bytes=(\d+)-(\d+)/.exec(input.CopySourceRange) ?? [];
      const part = stored(sourceOf(input.CopySource).bytes.subarray(Number(start), Number(end) + 1));
      uploadOf(input.UploadId).parts.set(input.PartNumber, part);
      return { CopyPartResult: { ETag: part.etag } };
    },
    listParts: ({ UploadId, PartNumberMarker = "0" }: { UploadId: string; PartNumberMarker?: string }) => {
      const numbers = [...uploadOf(UploadId).parts.keys()].filter((part) => part > Number(PartNumberMarker));
      const page = numbers.toSorted((a, b) => a - b).slice(0, 2);
      const Parts = page.map((PartNumber) => {
        const { etag, bytes } = uploadOf(UploadId).parts.get(PartNumber) as StoredObject;
        return { PartNumber, ETag: etag, Size: bytes.length };
      });
      return { Parts, IsTruncated: numbers.length > page.length, NextPartNumberMarker: `${page.at(-1)}` };
    },
    completeMultipartUpload: (input: {
      UploadId: string;
      MultipartUpload: { Parts: { PartNumber: number; ETag: string }[] };
    }) => {
      const { key, parts } = uploadOf(input.UploadId);
      const wanted = input.MultipartUpload.Parts.map(({ PartNumber, ETag }) => {
        const part = parts.get(PartNumber);
        if (part?.etag !== ETag) throw failed("InvalidPart", 400);
        return part;
      });
      if (wanted.length === 0) throw failed("MalformedXML", 400);
      if (wanted.slice(0, -1).some(({ bytes }) => bytes.length < leastPartBytes)) throw failed("EntityTooSmall", 400);
      const bytes = Buffer.concat(wanted.map((part) => part.bytes));
      objects.set(key, { ...stored(bytes), etag: `"${wanted.length}-${input.UploadId}"` });
      uploads.delete(input.UploadId);
    },
    abortMultipartUpload: ({ UploadId }: { UploadId: string }) => {
      uploadOf(UploadId);
      uploads.delete(UploadId);
    },
    listMultipartUploads: ({ Prefix }: { Prefix: string }) => ({
      Uploads: [...uploads]
        .filter(([, { key }]) => key.startsWith(Prefix))
        .map(([UploadId, { key, begun }]) => ({ Key: key, UploadId, Initiated: begun })),
      IsTruncated: false,
    }),
  };
  const client = Object.fromEntries(
    Object.entries(sync).map(([name, carryOut]) => [
      name,
      async (input: Readonly<Record<string, unknown>>, { abortSignal }: { abortSignal?: AbortSignal } = {}) => {
        await options.turns?.();
        abortSignal?.throwIfAborted();
        calls.set(name, (calls.get(name) ?? 0) + 1);
        options.onCall?.(name, input);
        const result: unknown = (carryOut as (given: unknown) => unknown)(input);
        await options.turns?.();
        return result;
      },
    ]),
  );
  return { ...(client as unknown as S3Client), objects, uploads, calls };
}

function streamOf(bytes: Buffer, options: FakeS3Options): ReadableStream<Uint8Array> {
  let at = 0;
  const pieceBytes = 64 * 1024;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (options.breakAfterBytes !== undefined && at >= options.breakAfterBytes) {
        options.breakAfterBytes = undefined;
        controller.error(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
        return;
      }
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      controller.enqueue(new Uint8Array(bytes.subarray(at, at + pieceBytes)));
      at += pieceBytes;
    },
  });
}
