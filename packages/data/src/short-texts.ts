import type { BytesColumn } from "@millwright/contracts";
import { layout, type Machine, mostTextBytes, mostTextSlots } from "./simd/machine.ts";

/** A text of at most so many bytes is told by four words of four bytes. */
export const shortBytes = 15;
const firstSlots = 256;
const words = 4;

/** Takes the bytes of a text, which are good until it returns, and how often it was met. */
export type Take = (bytes: Uint8Array, length: number, times: number) => void;

function hashOf(first: number, second: number, third: number, last: number): number {
  let hash =
    Math.imul(first, 0x9e3779b1) ^
    Math.imul(second, 0x85ebca6b) ^
    Math.imul(third, 0xc2b2ae35) ^
    Math.imul(last, 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 16);
}

/** Most texts in a table: a quarter of its slots while that is little memory, so that hardly two texts meet; then half. */
const mostIn = (slots: number): number => slots / (slots <= mostTextSlots ? 4 : 2);

/** Counts of short texts. Open addressing, linear probing; a slot is free while its key is 0. */
export class ShortTexts {
  #keys = new Int32Array(firstSlots * words);
  #counts = new Float64Array(firstSlots);
  #mask = firstSlots - 1;
  #most = mostIn(firstSlots);
  size = 0;

  /** A key is the bytes, zeros, and in the last byte the length and 1, so that no key is 0. */
  add(bytes: Uint8Array, view: DataView, start: number, end: number, times: number): void {
    const length = end - start;
    let first = 0;
    let second = 0;
    let third = 0;
    let last = 0;
    if (length >= 4) first = view.getInt32(start, true);
    if (length >= 8) second = view.getInt32(start + 4, true);
    if (length >= 12) third = view.getInt32(start + 8, true);
    let rest = 0;
    for (let at = end - 1; at >= start + (length & ~3); at -= 1) rest = (rest << 8) | (bytes[at] as number);
    if (length < 4) first = rest;
    else if (length < 8) second = rest;
    else if (length < 12) third = rest;
    else last = rest;
    this.#put(first, second, third, last | ((length + 1) << 24), times);
  }

  /** Counts rows until one that is long. @returns that row; `to` where there is none. */
  countRows({ offsets, validity, values }: BytesColumn, view: DataView, from: number, to: number): number {
    for (let row = from; row < to; row += 1) {
      if (validity !== undefined && (((validity[row >> 3] as number) >> (row & 7)) & 1) === 0) continue;
      const start = offsets[row] as number;
      const end = offsets[row + 1] as number;
      if (end - start > shortBytes) return row;
      this.add(values, view, start, end, 1);
    }
    return to;
  }

  /** Whether the machine has room for these rows and for what was counted. */
  fits({ offsets }: Pick<BytesColumn, "offsets">, from: number, to: number): boolean {
    return (offsets[to] as number) - (offsets[from] as number) <= mostTextBytes && this.#mask < mostTextSlots;
  }

  /**
   * As `countRows`, of rows whose texts the machine holds. The table stands there until all are counted: to bring it for each long text would cost more than the rest.
   * @param skip Takes the long texts from a row on. @returns the first row behind them.
   * @returns `to`, or the row before which there was no more room.
   */
  countLent(
    machine: Machine,
    { offsets, validity }: BytesColumn,
    from: number,
    to: number,
    skip: (row: number) => number,
  ): number {
    const { kernels, words: all } = machine;
    const [base, masked] = [offsets[from] as number, validity === undefined ? 0 : 1];
    let used = this.#lend(machine);
    for (let row = from; row < to; row = skip(row)) {
      row = from + kernels.countTexts(row - from, to - from, masked, base, this.#mask, used, this.#most);
      used = all[layout.out / 4] as number;
      if (used <= this.#most) continue;
      this.#takeBack(machine, used);
      this.#grow();
      if (!this.fits({ offsets }, from, to)) return row;
      used = this.#lend(machine);
    }
    this.#takeBack(machine, used);
    return to;
  }

  /** @returns how many texts are in the table. */
  #lend({ floats, words: all }: Machine): number {
    all.set(this.#keys, layout.textKeys / 4);
    floats.set(this.#counts, layout.textCounts / 8);
    return this.size;
  }

  #takeBack({ floats, words: all }: Machine, used: number): void {
    const [keysAt, countsAt] = [layout.textKeys / 4, layout.textCounts / 8];
    this.#keys.set(all.subarray(keysAt, keysAt + this.#keys.length));
    this.#counts.set(floats.subarray(countsAt, countsAt + this.#counts.length));
    this.size = used;
  }

  #put(first: number, second: number, third: number, last: number, times: number): void {
    const keys = this.#keys;
    let slot = hashOf(first, second, third, last) & this.#mask;
    for (let at = slot * words; keys[at + 3] !== 0; at = slot * words) {
      if (keys[at] === first && keys[at + 1] === second && keys[at + 2] === third && keys[at + 3] === last) {
        this.#counts[slot] = (this.#counts[slot] as number) + times;
        return;
      }
      slot = (slot + 1) & this.#mask;
    }
    keys[slot * words] = first;
    keys[slot * words + 1] = second;
    keys[slot * words + 2] = third;
    keys[slot * words + 3] = last;
    this.#counts[slot] = times;
    this.size += 1;
    if (this.size > this.#most) this.#grow();
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    this.#reset(counts.length * 2);
    for (let slot = 0; slot < counts.length; slot += 1) {
      const at = slot * words;
      if (keys[at + 3] === 0) continue;
      const [first, second, third, last] = [keys[at], keys[at + 1], keys[at + 2], keys[at + 3]];
      this.#put(first as number, second as number, third as number, last as number, counts[slot] as number);
    }
  }

  #reset(slots: number): void {
    this.#keys = new Int32Array(slots * words);
    this.#counts = new Float64Array(slots);
    this.#mask = slots - 1;
    this.#most = mostIn(slots);
    this.size = 0;
  }

  clear(): void {
    if (this.size > 0) this.#reset(firstSlots);
  }

  visit(take: Take): void {
    const bytes = new Uint8Array(this.#keys.buffer);
    for (let slot = 0; slot <= this.#mask; slot += 1) {
      const length = (bytes[slot * 16 + shortBytes] as number) - 1;
      if (length >= 0) take(bytes.subarray(slot * 16, slot * 16 + length), length, this.#counts[slot] as number);
    }
  }
}
