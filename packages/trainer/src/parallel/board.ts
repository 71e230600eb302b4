import { readSync, writeSync } from "node:fs";
import type { ShardMemory } from "./shard-learner.ts";

/** How many numbers a board has room for. */
export interface BoardSize {
  /** All weights of the model. */
  readonly weights: number;
  /** Rows of a whole batch. */
  readonly rows: number;
  readonly width: number;
  /** Shards of a batch. */
  readonly slots: number;
  /** Numbers of a slot. */
  readonly vector: number;
}

/** Numbers of a board, from … to - 1. */
type Part = readonly [from: number, to: number];

/** What the workers of a run write for each other: weights, rows of the batch, gradients of its shards. */
export class Board implements ShardMemory {
  readonly size: BoardSize;
  readonly weights: Float32Array;
  readonly features: Float32Array;
  readonly labels: Float32Array;
  readonly #slots: readonly Float32Array[];
  readonly #all: Float32Array;
  readonly #file: number | undefined;

  /** @param file Where the memory is not shared: an open file that takes its place. */
  constructor(size: BoardSize, memory: ArrayBuffer | SharedArrayBuffer, file?: number) {
    const { weights, rows, width, slots, vector } = size;
    this.size = size;
    this.#file = file;
    this.#all = new Float32Array(memory);
    const [features, labels] = [weights, weights + rows * width];
    const first = labels + rows;
    this.weights = this.#all.subarray(0, weights);
    this.features = this.#all.subarray(features, labels);
    this.labels = this.#all.subarray(labels, first);
    this.#slots = Array.from({ length: slots }, (_, index) =>
      this.#all.subarray(first + index * vector, first + (index + 1) * vector),
    );
  }

  static bytesOf({ weights, rows, width, slots, vector }: BoardSize): number {
    return 4 * (weights + rows * (width + 1) + slots * vector);
  }

  readonly slot = (index: number): Float32Array => this.#slots[index] as Float32Array;

  #weightsPart(): Part {
    return [0, this.size.weights];
  }

  #rowParts([from, to]: Part): readonly Part[] {
    const { weights, rows, width } = this.size;
    const labels = weights + rows * width;
    return [
      [weights + from * width, weights + to * width],
      [labels + from, labels + to],
    ];
  }

  #slotPart(index: number): Part {
    const { weights, rows, width, vector } = this.size;
    const first = weights + rows * (width + 1) + index * vector;
    return [first, first + vector];
  }

  /** Shows others the weights and the batch's rows from … to. Free where the memory is shared. */
  pushTask(rows: Part): void {
    for (const part of [this.#weightsPart(), ...this.#rowParts(rows)]) this.#write(part);
  }

  pullTask(rows: Part): void {
    for (const part of [this.#weightsPart(), ...this.#rowParts(rows)]) this.#read(part);
  }

  pushSlot(index: number): void {
    this.#write(this.#slotPart(index));
  }

  pullSlot(index: number): void {
    this.#read(this.#slotPart(index));
  }

  #write(part: Part): void {
    if (this.#file === undefined) return;
    const [bytes, place] = this.#bytes(part);
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#file, bytes, done, bytes.length - done, place + done);
  }

  #read(part: Part): void {
    if (this.#file === undefined) return;
    const [bytes, place] = this.#bytes(part);
    for (let done = 0; done < bytes.length;) {
      const read = readSync(this.#file, bytes, done, bytes.length - done, place + done);
      if (read === 0) throw new RangeError(`The board ends at byte ${place + done}.`);
      done += read;
    }
  }

  #bytes([from, to]: Part): readonly [bytes: Uint8Array, place: number] {
    const { buffer, byteOffset } = this.#all;
    return [new Uint8Array(buffer, byteOffset + 4 * from, 4 * (to - from)), 4 * from];
  }
}
