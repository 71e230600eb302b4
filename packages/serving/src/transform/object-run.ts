import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type CallOptions, type Digest, createDigestBuilder } from "@millwright/contracts";
import { type Chunk, chunksOf } from "./chunks.ts";
import { createDurableFile } from "./durable-files.ts";
import { recordTooLarge } from "./errors.ts";
import { type TransformObject, openContent } from "./inputs.ts";
import {
  type ChunkEntry,
  type ChunkFigures,
  figuresOf,
  type JobLedger,
  type ObjectLedger,
  type ObjectSummary,
} from "./ledger.ts";
import { type ResolvedShape, payloadBytesOf } from "./options.ts";
import { formatOf } from "./record-format.ts";

export interface ObjectRunOptions {
  readonly object: TransformObject;
  readonly outputFolder: string;
  readonly jobLedger: JobLedger;
  readonly shape: ResolvedShape;
  readonly chunkBytes: number;
  readonly chunkRecords: number;
}

/** One object on its way to its output. */
export class ObjectRun {
  readonly key: string;
  readonly #options: ObjectRunOptions;
  readonly #ledger: ObjectLedger;
  #digest = createDigestBuilder();
  #inputBytes = 0;
  #chunks = 0;
  #pending = 0;
  #isRead = false;
  #isSettled = false;
  #error: unknown;

  private constructor(options: ObjectRunOptions, ledger: ObjectLedger) {
    this.key = options.object.key;
    this.#options = options;
    this.#ledger = ledger;
  }

  static async open(options: ObjectRunOptions, { signal }: CallOptions): Promise<ObjectRun> {
    return new ObjectRun(options, await options.jobLedger.openObject(options.object.key, { signal }));
  }

  /** Why it has no output, where it has failed. */
  get error(): unknown {
    return this.#error;
  }

  fail(error: unknown): void {
    this.#error ??= error;
  }

  /** The chunks in order; the object is not done before each of them is `begin`-ed and `end`-ed, or was found in the ledger. */
  async *chunks({ signal }: CallOptions): AsyncGenerator<Chunk, void, undefined> {
    const { object, shape, chunkBytes, chunkRecords } = this.#options;
    const content = this.#counted(openContent(object, shape.compression, { signal }));
    const { splitType } = shape;
    const chunks =
      splitType === "None" || shape.whole
        ? wholeChunk(this.key, content, payloadBytesOf(shape))
        : chunksOf(content, {
            key: this.key,
            splitType,
            csv: formatOf(shape.contentType) === "csv",
            csvHeader: shape.csvHeader,
            batchStrategy: shape.batchStrategy,
            maxPayloadBytes: payloadBytesOf(shape),
            maxBatchRecords: shape.maxBatchRecords,
            chunkBytes,
            chunkRecords,
          });
    for await (const chunk of chunks) {
      if (this.#error !== undefined) return;
      this.#chunks += 1;
      yield chunk;
    }
    this.#isRead = true;
  }

  /**
   * All of it as one stream, for each try anew.
   * @returns how many bytes went by in the last try, and their digest, once it is over.
   */
  stream({ signal }: CallOptions): {
    readonly open: () => AsyncIterable<Uint8Array>;
    readonly sent: () => { readonly bytes: number; readonly digest: Digest };
  } {
    const { object, shape } = this.#options;
    this.#chunks = 1;
    this.#isRead = true;
    return {
      open: () => {
        this.#digest = createDigestBuilder();
        this.#inputBytes = 0;
        return this.#counted(openContent(object, shape.compression, { signal }));
      },
      sent: () => ({ bytes: this.#inputBytes, digest: this.#digest.digest() }),
    };
  }

  find(chunk: Chunk, digest: Digest): ChunkEntry | undefined {
    return this.#ledger.find(chunk.index, chunk.offset, digest);
  }

  begin(): void {
    this.#pending += 1;
  }

  async add(entry: ChunkEntry, output: Buffer, failures: Buffer): Promise<void> {
    await this.#ledger.add(entry, output, failures);
  }

  end(): void {
    this.#pending -= 1;
  }

  /**
   * Puts the output in its place when all chunks are done; what has failed, or was left in the middle, is closed once nothing of it is under way.
   * @returns what was done, once.
   */
  async settle(isLeft = false): Promise<ObjectSummary | undefined> {
    const isOver = this.#isRead || this.#error !== undefined || isLeft;
    if (this.#isSettled || this.#pending > 0 || !isOver) return undefined;
    this.#isSettled = true;
    try {
      return this.#isRead && this.#error === undefined ? await this.#assemble() : undefined;
    } finally {
      await this.#ledger[Symbol.asyncDispose]();
    }
  }

  async *#counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of source) {
      this.#digest.update(piece);
      this.#inputBytes += piece.length;
      yield piece;
    }
  }

  async #assemble(): Promise<ObjectSummary> {
    const { outputFolder, object, jobLedger } = this.#options;
    const output = `${this.key}.out`;
    const errors = `${this.key}.errors`;
    const sums = { records: 0, written: 0, failed: 0 };
    const chunks: ChunkFigures[] = [];
    const file = await createDurableFile(join(outputFolder, output));
    const failures: Buffer[] = [];
    let written: { readonly bytes: number; readonly digest: Digest };
    try {
      for (let index = 0; index < this.#chunks; index += 1) {
        const chunk = await this.#ledger.read(index);
        await file.write(chunk.output);
        if (chunk.failures.length > 0) failures.push(chunk.failures);
        for (const name of ["records", "written", "failed"] as const) sums[name] += chunk.entry[name];
        chunks.push(figuresOf(chunk.entry));
      }
      if (failures.length > 0) await this.#writeErrors(join(outputFolder, errors), failures);
      else await rm(join(outputFolder, errors), { force: true });
      written = await file.finish();
    } catch (error) {
      await file.discard().catch(() => {});
      throw error;
    }
    const summary: ObjectSummary = {
      key: this.key,
      output,
      ...(failures.length > 0 ? { errors } : {}),
      inputBytes: this.#inputBytes,
      inputDigest: this.#digest.digest(),
      outputBytes: written.bytes,
      outputDigest: written.digest,
      ...sums,
      chunks,
      ...(object.version === undefined ? {} : { version: object.version }),
    };
    await jobLedger.finish(summary);
    return summary;
  }

  /** Before the output: who sees that sees the errors too. */
  async #writeErrors(path: string, failures: readonly Buffer[]): Promise<void> {
    const file = await createDurableFile(path);
    for (const piece of failures) await file.write(piece);
    await file.finish();
  }
}

/** All of an object as its one record. Throws `SERVING_TRANSFORM_RECORD_TOO_LARGE` as soon as it is. */
async function* wholeChunk(
  key: string,
  content: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Chunk, void, undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > limit) throw recordTooLarge({ key, record: 0, offset: 0 }, size, limit);
    pieces.push(piece);
  }
  if (size === 0) return;
  const bytes = Buffer.concat(pieces, size);
  yield {
    index: 0,
    offset: 0,
    firstRecord: 0,
    prefix: Buffer.alloc(0),
    bytes,
    starts: [0],
    ends: [size],
    cuts: [1],
  };
}
