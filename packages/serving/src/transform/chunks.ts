import { recordIoContent } from "./record-io.ts";
import { isBlank, withoutLineEnd } from "./line-ends.ts";
import { type RecordBlock, type SplitType, recordBlocks } from "./record-blocks.ts";

/** One record a request, or as many as fit the payload. */
export type BatchStrategy = "SingleRecord" | "MultiRecord";

/** Records that are transformed, written down and never done again together: one mini-batch or several. */
export interface Chunk {
  /** Of its object, from 0. */
  readonly index: number;
  /** Where it begins in the object, and which record of the object is its first. */
  readonly offset: number;
  readonly firstRecord: number;
  /** What stands before the records of every mini-batch: the header line of CSV; empty where there is none. */
  readonly prefix: Buffer;
  readonly bytes: Buffer;
  /** Where each record begins and ends in `bytes`. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** The number of records up to the end of each mini-batch. */
  readonly cuts: readonly number[];
}

export interface ChunkOptions {
  readonly key: string;
  readonly splitType: Exclude<SplitType, "None">;
  readonly csv: boolean;
  readonly csvHeader: boolean;
  readonly batchStrategy: BatchStrategy;
  /** Most bytes of a mini-batch; `Infinity` for no limit. */
  readonly maxPayloadBytes: number;
  readonly maxBatchRecords: number;
  /** A chunk that has as many bytes or records takes no further mini-batch. */
  readonly chunkBytes: number;
  readonly chunkRecords: number;
}

/** What is not a record within the payload's limit may still be longer, to be refused by itself; but not without end. */
const longestRecordBytes = 256 * 1024 * 1024;

/** The records of an object, chunk by chunk. Throws `SERVING_TRANSFORM_RECORD_INVALID` for framing that cannot be read. */
export async function* chunksOf(
  source: AsyncIterable<Uint8Array>,
  options: ChunkOptions,
): AsyncGenerator<Chunk, void, undefined> {
  const builder = new ChunkBuilder(options);
  for await (const block of recordBlocks(source, { ...options, longestRecordBytes })) yield* builder.take(block);
  yield* builder.end();
}

class ChunkBuilder {
  readonly #options: ChunkOptions;
  #prefix: Buffer = Buffer.alloc(0);
  #headerIsNext: boolean;
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  #starts: number[] = [];
  #ends: number[] = [];
  #cuts: number[] = [];
  #batchBytes = 0;
  #batchRecords = 0;
  #index = 0;
  #firstRecord = 0;
  /** Of the object, where the chunk in the making begins. */
  #offset = 0;

  constructor(options: ChunkOptions) {
    this.#options = options;
    this.#headerIsNext = options.csvHeader;
  }

  *take({ bytes, ends }: RecordBlock): Generator<Chunk, void, undefined> {
    const lines = this.#options.splitType === "Line";
    let from = 0;
    let start = 0;
    for (const end of ends) {
      if (lines && isBlank(bytes, start, end)) {
        start = end;
        continue;
      }
      if (this.#headerIsNext) {
        this.#takeHeader(bytes.subarray(start, end));
        this.#offset += this.#piecesBytes + end - from;
        this.#pieces = [];
        this.#piecesBytes = 0;
        from = end;
        start = end;
        continue;
      }
      if (this.#isBatchFull(end - start) && this.#closeBatch()) {
        yield this.#chunk(bytes.subarray(from, start));
        from = start;
      }
      const before = this.#piecesBytes - from;
      this.#starts.push(before + start);
      this.#ends.push(before + end);
      this.#batchBytes += end - start;
      this.#batchRecords += 1;
      start = end;
    }
    this.#pieces.push(bytes.subarray(from));
    this.#piecesBytes += bytes.length - from;
  }

  *end(): Generator<Chunk, void, undefined> {
    if (this.#batchRecords > 0) this.#closeBatch();
    if (this.#starts.length > 0) yield this.#chunk(Buffer.alloc(0));
  }

  #takeHeader(line: Buffer): void {
    const plain = withoutLineEnd(line);
    this.#prefix = Buffer.concat([plain, Buffer.from("\n")]);
    this.#headerIsNext = false;
  }

  #isBatchFull(recordBytes: number): boolean {
    const { batchStrategy, maxPayloadBytes, maxBatchRecords } = this.#options;
    if (this.#batchRecords === 0) return false;
    if (batchStrategy === "SingleRecord" || this.#batchRecords >= maxBatchRecords) return true;
    return this.#prefix.length + this.#batchBytes + recordBytes > maxPayloadBytes;
  }

  /** @returns whether the chunk is full with it. */
  #closeBatch(): boolean {
    this.#cuts.push(this.#starts.length);
    this.#batchBytes = 0;
    this.#batchRecords = 0;
    const { chunkBytes, chunkRecords } = this.#options;
    return this.#starts.length >= chunkRecords || (this.#ends.at(-1) ?? 0) >= chunkBytes;
  }

  #chunk(tail: Buffer): Chunk {
    const pieces = tail.length === 0 ? this.#pieces : [...this.#pieces, tail];
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    const chunk: Chunk = {
      index: this.#index,
      offset: this.#offset,
      firstRecord: this.#firstRecord,
      prefix: this.#prefix,
      bytes,
      starts: this.#starts,
      ends: this.#ends,
      cuts: this.#cuts,
    };
    this.#index += 1;
    this.#offset += bytes.length;
    this.#firstRecord += this.#starts.length;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#starts = [];
    this.#ends = [];
    this.#cuts = [];
    return chunk;
  }
}

/** A record of a chunk as it stands in the object. */
export const rawRecord = ({ bytes, starts, ends }: Chunk, record: number): Buffer =>
  bytes.subarray(starts[record], ends[record]);

/** A record as it is sent alone: without its line end or its padding. */
export function loneRecord(chunk: Chunk, record: number, splitType: SplitType): Buffer {
  const raw = rawRecord(chunk, record);
  if (splitType === "Line") return withoutLineEnd(raw);
  return splitType === "RecordIO" ? recordIoContent(raw) : raw;
}

/** Records of a chunk as they are sent together, blank lines left out. */
export function joinedRecords(chunk: Chunk, from: number, to: number): Buffer {
  const { bytes, starts, ends, prefix } = chunk;
  const pieces: Buffer[] = prefix.length === 0 ? [] : [prefix];
  let start = starts[from] as number;
  for (let record = from; record < to; record += 1) {
    const end = ends[record] as number;
    if (record + 1 < to && starts[record + 1] === end) continue;
    pieces.push(bytes.subarray(start, end));
    start = starts[record + 1] ?? end;
  }
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}
