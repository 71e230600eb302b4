import { hashBytes, hashText } from "@millwright/data";
import type { WindowValue } from "./value-column.ts";

/** Hashes that wait to be sorted in among the others. */
const MOST_LOOSE = 64;

/** Which events have been seen, as 53 bits of hash of each, 8 bytes an event: two of a million events share one with a probability of 6 in 100,000. */
export class EventHashes {
  /** In order, each once. */
  #sorted: Float64Array = new Float64Array(0);
  #loose: number[] = [];

  get size(): number {
    return this.#sorted.length + this.#loose.length;
  }

  has(hash: number): boolean {
    return this.#loose.includes(hash) || this.#isSorted(hash);
  }

  add(hash: number): void {
    if (this.has(hash)) return;
    this.#loose.push(hash);
    if (this.#loose.length > MOST_LOOSE) this.#sort();
  }

  addAll(hashes: ArrayLike<number>): void {
    this.#sorted = merged(this.#sorted, this.#loose, hashes);
    this.#loose = [];
  }

  /** Base64 of the hashes as little-endian doubles, in order. */
  encode(): string {
    this.#sort();
    return Buffer.from(this.#sorted.buffer, 0, this.#sorted.byteLength).toString("base64");
  }

  addEncoded(text: string): void {
    const bytes = Uint8Array.from(Buffer.from(text, "base64"));
    this.addAll(new Float64Array(bytes.buffer, 0, bytes.length >> 3));
  }

  #sort(): void {
    if (this.#loose.length > 0) this.addAll([]);
  }

  #isSorted(hash: number): boolean {
    const sorted = this.#sorted;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return sorted[low] === hash;
  }
}

function merged(...lists: readonly ArrayLike<number>[]): Float64Array {
  const all = new Set<number>();
  for (const list of lists) for (let index = 0; index < list.length; index++) all.add(list[index]!);
  return Float64Array.from(all).sort();
}

let words = new Float64Array(8);

/** 53 bits of hash, the same on every machine and in every release: it is kept on disk. */
export function hashOfEvent(timeUs: number, values: readonly WindowValue[]): number {
  if (words.length < values.length + 1) words = new Float64Array(values.length * 2);
  words[0] = timeUs;
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    // Of a text its length here, and its characters below. There is more than one way to write NaN.
    if (typeof value === "string") words[index + 1] = value.length;
    else words[index + 1] = Number.isNaN(value) ? Number.NaN : value;
  }
  const bytes = new Uint8Array(words.buffer);
  const end = (values.length + 1) * 8;
  let first = hashBytes(bytes, 0, end, 0x2545f491);
  let second = hashBytes(bytes, 0, end, 0x1b873593);
  for (const value of values) {
    if (typeof value !== "string") continue;
    first = hashText(value, first);
    second = hashText(value, second);
  }
  return first * 2 ** 21 + (second >>> 11);
}
