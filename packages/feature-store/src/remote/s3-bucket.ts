import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { formatTooNew } from "../errors.ts";
import { awsFailure, type AwsFailure } from "./dynamodb-client.ts";

interface S3CallOptions {
  readonly abortSignal?: AbortSignal;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

/** What is used of an `S3` of `@aws-sdk/client-s3`. */
export interface S3Client {
  putObject(
    input: Place & {
      readonly Body: Uint8Array | Readable;
      readonly ContentLength: number;
      readonly ChecksumSHA256: string;
      readonly IfMatch?: string;
      readonly IfNoneMatch?: string;
    },
    options?: S3CallOptions,
  ): Promise<unknown>;
  getObject(
    input: Place,
    options?: S3CallOptions,
  ): Promise<{
    readonly Body?: { transformToByteArray(): Promise<Uint8Array>; transformToWebStream(): unknown } | undefined;
    readonly ETag?: string | undefined;
  }>;
  deleteObject(input: Place, options?: S3CallOptions): Promise<unknown>;
  listObjectsV2(
    input: { readonly Bucket: string; readonly Prefix: string; readonly ContinuationToken?: string },
    options?: S3CallOptions,
  ): Promise<{
    readonly Contents?: readonly { readonly Key?: string | undefined }[] | undefined;
    readonly NextContinuationToken?: string | undefined;
  }>;
}

/** A file of a history: its path below the history's folder, with `/`. */
export interface CopiedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly formatVersion: 1;
  readonly files: readonly CopiedFile[];
}

export interface Bucket {
  /** Undefined where there is none. Throws `FEATURE_STORE_FORMAT_TOO_NEW`. */
  manifest(): Promise<{ readonly manifest: Manifest; readonly etag: string | undefined } | undefined>;
  /** @returns false where it is not the one that was read. */
  putManifest(manifest: Manifest, etag: string | undefined): Promise<boolean>;
  putFile(file: CopiedFile, from: string): Promise<void>;
  /** Undefined where there is no such file any more. */
  getFile(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Deletes all files but these. @returns how many. */
  deleteOthers(kept: ReadonlySet<string>): Promise<number>;
}

const FORMAT_VERSION = 1;
/** Files up to this many bytes are sent from memory. */
const IN_MEMORY_BYTES = 32 * 1024 * 1024;

const base64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest("hex");
}

function parseManifest(bytes: Uint8Array, where: string): Manifest {
  const manifest = JSON.parse(Buffer.from(bytes).toString()) as Manifest;
  if (manifest.formatVersion > FORMAT_VERSION) throw formatTooNew(where, manifest.formatVersion, FORMAT_VERSION);
  return manifest;
}

export function openBucket(
  client: S3Client,
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  signal: AbortSignal | undefined,
): Bucket {
  const options = signal === undefined ? {} : { abortSignal: signal };
  const place = (name: string): Place => ({ Bucket: bucket, Key: `${prefix}${name}` });
  const call = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw awsFailure(`the bucket "${bucket}"`, error);
    }
  };
  const orNothing = async <Result>(work: () => Promise<Result>): Promise<Result | undefined> =>
    await call(async () => {
      try {
        return await work();
      } catch (error) {
        if ((error as AwsFailure).name === "NoSuchKey") return undefined;
        throw error;
      }
    });
  return {
    async manifest() {
      const found = await orNothing(() => client.getObject(place("manifest.json"), options));
      if (found?.Body === undefined) return undefined;
      const bytes = await found.Body.transformToByteArray();
      return { manifest: parseManifest(bytes, `${bucket}/${prefix}manifest.json`), etag: found.ETag };
    },
    async putManifest(manifest, etag) {
      const Body = Buffer.from(JSON.stringify(manifest));
      const ChecksumSHA256 = createHash("sha256").update(Body).digest("base64");
      const condition = etag === undefined ? { IfNoneMatch: "*" } : { IfMatch: etag };
      const input = { ...place("manifest.json"), Body, ContentLength: Body.length, ChecksumSHA256, ...condition };
      return await call(async () => {
        try {
          await client.putObject(input, options);
          return true;
        } catch (error) {
          const { $metadata: { httpStatusCode: status } = {} } = error as AwsFailure;
          if (status === 412 || status === 409) return false;
          throw error;
        }
      });
    },
    async putFile({ path, sizeBytes, sha256 }, from) {
      const Body = sizeBytes <= IN_MEMORY_BYTES ? await readFile(from) : createReadStream(from);
      const input = { ...place(`files/${path}`), Body, ContentLength: sizeBytes, ChecksumSHA256: base64(sha256) };
      await call(() => client.putObject(input, options));
    },
    async getFile(path) {
      const found = await orNothing(() => client.getObject(place(`files/${path}`), options));
      return found?.Body?.transformToWebStream() as AsyncIterable<Uint8Array> | undefined;
    },
    deleteOthers: (kept) => deleteOthers(client, { bucket, start: `${prefix}files/`, options, call }, kept),
  };
}

interface Calls {
  readonly bucket: string;
  /** What the names of files begin with. */
  readonly start: string;
  readonly options: S3CallOptions;
  call<Result>(work: () => Promise<Result>): Promise<Result>;
}

async function deleteOthers(
  client: S3Client,
  { bucket, start, options, call }: Calls,
  kept: ReadonlySet<string>,
): Promise<number> {
  const others: string[] = [];
  let after: string | undefined;
  do {
    const more = after === undefined ? {} : { ContinuationToken: after };
    const page = await call(() => client.listObjectsV2({ Bucket: bucket, Prefix: start, ...more }, options));
    for (const { Key = "" } of page.Contents ?? []) if (!kept.has(Key.slice(start.length))) others.push(Key);
    after = page.NextContinuationToken;
  } while (after !== undefined);
  for (const Key of others) await call(() => client.deleteObject({ Bucket: bucket, Key }, options));
  return others.length;
}
