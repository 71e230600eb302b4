import { type ArtifactInfo, type CallOptions, closed, type Digest, digestOf } from "@millwright/contracts";
import { hexOf } from "../artifacts/artifact-digest.ts";
import {
  type ArtifactUpload,
  type BeginUploadOptions,
  checkUploadId,
  type UploadAppendOptions,
  type UploadCompleteOptions,
} from "../artifacts/artifact-upload.ts";
import { uploadDigest, uploadLocked, uploadOffset, uploadWhole } from "../errors.ts";
import { digestOfObject, keepTemporary, putSmall, type S3Artifacts } from "./s3-keep.ts";
import type { UploadedPart } from "./s3-bucket.ts";
import {
  abortParts,
  beginParts,
  completeParts,
  createPartBuffer,
  type PartBuffer,
  partSize,
  partsOf,
  type PartsUpload,
  sendPart,
} from "./s3-parts.ts";

/**
 * Of an upload there are a multipart upload of `data`; `tail`, the bytes that fill no part yet, after the offset they belong to (8 bytes little-endian);
 * and `state`, which names the multipart upload. Whoever goes on with it writes the state anew, by its tag, so that an older holder finds out.
 */
interface UploadState {
  readonly formatVersion: 1;
  readonly uploadId: string;
  /** Grows with each write, so that no two states have one tag. */
  readonly turn: number;
}

interface OpenedUpload {
  readonly id: string;
  readonly parts: PartsUpload;
  readonly sent: readonly UploadedPart[];
  readonly tail: Uint8Array;
  /** The multipart upload was completed: `data` is there, with so many bytes. */
  readonly wholeBytes: number | undefined;
  readonly turn: number;
  readonly etag: string;
}

const folderOf = (id: string): string => `uploads/${id}/`;
const tailHeaderBytes = 8;

export async function openS3Upload(
  store: S3Artifacts,
  { id = store.ids.next(), signal }: BeginUploadOptions,
): Promise<ArtifactUpload> {
  signal?.throwIfAborted();
  checkUploadId(id);
  const { bucket } = store;
  const folder = folderOf(id);
  for (;;) {
    const found = await bucket.get(`${folder}state`, signal);
    if (found === undefined) {
      const parts = await beginParts(bucket, `${folder}data`, signal);
      const etag = await writeState(store, id, { uploadId: parts.uploadId, turn: 1 }, undefined, signal);
      if (etag !== undefined)
        return new S3Upload(store, {
          id,
          parts,
          sent: [],
          tail: Buffer.alloc(0),
          wholeBytes: undefined,
          turn: 1,
          etag,
        });
      await abortParts(bucket, parts);
      continue;
    }
    const state = JSON.parse(Buffer.from(found.bytes).toString("utf8")) as UploadState;
    const parts = { key: `${folder}data`, uploadId: state.uploadId };
    const turn = state.turn + 1;
    // From here on an older holder of it is shut out, and nothing of what is read next changes.
    const etag = await writeState(store, id, { uploadId: state.uploadId, turn }, found.etag, signal);
    if (etag === undefined) continue;
    const sent = await partsOf(bucket, parts, signal);
    const whole = sent === undefined ? await bucket.head(parts.key, signal) : undefined;
    if (sent === undefined && whole === undefined) {
      // Neither parts nor the whole: it was given up, or swept.
      await deleteUpload(store, id, signal);
      continue;
    }
    const tail = await readTail(store, id, sumOf(sent ?? []), signal);
    return new S3Upload(store, { id, parts, sent: sent ?? [], tail, wholeBytes: whole?.sizeBytes, turn, etag });
  }
}

const sumOf = (parts: readonly UploadedPart[]): number => parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** @returns undefined where another holds it now. */
function writeState(
  { bucket }: S3Artifacts,
  id: string,
  state: { readonly uploadId: string; readonly turn: number },
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const text = JSON.stringify({ formatVersion: 1, ...state });
  return bucket.putIf(`${folderOf(id)}state`, Buffer.from(text), etag, signal);
}

async function readTail(
  { bucket }: S3Artifacts,
  id: string,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const found = await bucket.get(`${folderOf(id)}tail`, signal);
  // One of an earlier place has become part of a part since.
  if (found === undefined || Number(Buffer.from(found.bytes).readBigUInt64LE(0)) !== offset) return Buffer.alloc(0);
  return found.bytes.subarray(tailHeaderBytes);
}

async function deleteUpload({ bucket }: S3Artifacts, id: string, signal: AbortSignal | undefined): Promise<void> {
  // The state last: as long as it is there, whoever begins the upload finds it.
  for (const name of ["data", "tail", "state"]) await bucket.delete(`${folderOf(id)}${name}`, signal);
}

class S3Upload implements ArtifactUpload {
  readonly id: string;
  readonly #store: S3Artifacts;
  readonly #parts: PartsUpload;
  readonly #sent: UploadedPart[];
  readonly #buffer: PartBuffer;
  #turn: number;
  #etag: string;
  #wholeBytes: number | undefined;
  #offset: number;
  #ended = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: S3Artifacts, opened: OpenedUpload) {
    this.id = opened.id;
    this.#store = store;
    this.#parts = opened.parts;
    this.#sent = [...opened.sent];
    this.#turn = opened.turn;
    this.#etag = opened.etag;
    this.#wholeBytes = opened.wholeBytes;
    this.#offset = opened.wholeBytes ?? sumOf(opened.sent) + opened.tail.length;
    this.#buffer = createPartBuffer(() => partSize(store.partBytes, this.#sent.length + 1));
    // A tail is shorter than a part: nothing comes out.
    for (const _ of this.#buffer.push(opened.tail)) continue;
  }

  get offset(): number {
    return this.#offset;
  }

  append(bytes: Uint8Array | AsyncIterable<Uint8Array>, { offset, signal }: UploadAppendOptions = {}): Promise<number> {
    return this.#alone(signal, async () => {
      this.#checkOffset(offset ?? this.#offset);
      await this.#takeTurn(signal);
      try {
        for await (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
          signal?.throwIfAborted();
          for (const part of this.#buffer.push(piece)) await this.#send(part, signal);
        }
        signal?.throwIfAborted();
      } catch (error) {
        // The stream's failure: what came before it is kept.
        if (!this.#ended) await this.#keepTail(undefined).catch(() => {});
        throw error;
      }
      await this.#keepTail(signal);
      return this.#offset;
    });
  }

  complete(options: UploadCompleteOptions = {}): Promise<ArtifactInfo> {
    const { digest, signal } = options;
    return this.#alone(signal, async () => {
      if (digest !== undefined) hexOf(digest);
      await this.#takeTurn(signal);
      const isSmall = this.#wholeBytes === undefined && this.#sent.length === 0;
      const info = isSmall ? await this.#putWhole(options) : await this.#assemble(options);
      await this.#delete(signal);
      return info;
    });
  }

  abort({ signal }: CallOptions = {}): Promise<void> {
    return this.#alone(signal, async () => {
      await this.#takeTurn(signal);
      await this.#delete(signal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    this.#ended = true;
  }

  async #alone<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    signal?.throwIfAborted();
    const mine = this.#last.then(async () => {
      signal?.throwIfAborted();
      if (this.#ended) throw closed(`The upload "${this.id}"`);
      return await work();
    });
    this.#last = mine.catch(() => {});
    return await mine;
  }

  #checkOffset(offset: number): void {
    if (!(Number.isSafeInteger(offset) && offset >= 0))
      throw new RangeError(`offset must be a whole number from 0, not ${String(offset)}.`);
    if (this.#wholeBytes !== undefined) throw uploadWhole(this.id, this.#wholeBytes);
    if (offset !== this.#offset) throw uploadOffset(this.id, offset, this.#offset);
  }

  /** Says that it is gone on with. Throws where another does. */
  async #takeTurn(signal: AbortSignal | undefined): Promise<void> {
    const state = { uploadId: this.#parts.uploadId, turn: this.#turn + 1 };
    const etag = await this.#orEnd(() => writeState(this.#store, this.id, state, this.#etag, signal));
    if (etag === undefined) {
      this.#ended = true;
      throw uploadLocked(this.id);
    }
    this.#turn += 1;
    this.#etag = etag;
  }

  /** After a failure of the way to the bucket this handle no longer knows what is kept: it must be begun again. */
  async #orEnd<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }

  async #send(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const part = this.#sent.length + 1;
    this.#sent.push(await this.#orEnd(() => sendPart(this.#store.bucket, this.#parts, part, bytes, signal)));
  }

  async #keepTail(signal: AbortSignal | undefined): Promise<void> {
    const kept = sumOf(this.#sent);
    const end = kept + this.#buffer.length;
    if (end === this.#offset) return;
    const header = Buffer.alloc(tailHeaderBytes);
    header.writeBigUInt64LE(BigInt(kept));
    const tail = Buffer.concat([header, this.#buffer.rest()]);
    await this.#orEnd(() => this.#store.bucket.put(`${folderOf(this.id)}tail`, tail, signal));
    this.#offset = end;
  }

  /** What has not filled a part is put as it is. */
  async #putWhole({ digest, signal }: UploadCompleteOptions): Promise<ArtifactInfo> {
    const bytes = this.#buffer.rest();
    this.#checkDigest(digest, digestOf(bytes));
    return await putSmall(this.#store, bytes, signal);
  }

  /** The rest is put together by S3, read back, and copied to its key. */
  async #assemble({ digest, signal }: UploadCompleteOptions): Promise<ArtifactInfo> {
    const { bucket } = this.#store;
    if (this.#wholeBytes === undefined) {
      if (this.#buffer.length > 0) await this.#send(this.#buffer.take(), signal);
      await this.#orEnd(() => completeParts(bucket, this.#parts, this.#sent, signal));
      this.#wholeBytes = this.#offset;
    }
    const info = await digestOfObject(bucket, this.#parts.key, signal);
    if (info === undefined) throw uploadLocked(this.id);
    this.#checkDigest(digest, info.digest);
    await keepTemporary(this.#store, this.#parts.key, info, signal);
    return info;
  }

  #checkDigest(expected: Digest | undefined, actual: Digest): void {
    if (expected !== undefined && expected !== actual) throw uploadDigest(this.id, expected, actual);
  }

  async #delete(signal: AbortSignal | undefined): Promise<void> {
    this.#ended = true;
    await abortParts(this.#store.bucket, this.#parts);
    await deleteUpload(this.#store, this.id, signal);
  }
}
