import type { BytesColumn } from "@millwright/contracts";

/** As many are encoded by one call: most of what encoding a short text costs is the call. */
const together = 64;
/** A UUID and some. */
const usualBytes = 40;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Short texts as bytes of UTF-8, one after another in memory that was set aside. A string that outlives the moment is copied by the young collections that it
 * lives through, with all the pieces that it was put together from.
 */
export class GatheredTexts {
  readonly #waiting: string[] = Array.from({ length: together }, () => "");
  readonly #offsets: Int32Array;
  #bytes: Uint8Array;
  #count = 0;
  #encoded = 0;
  /** Texts that their bytes do not give back, because they have halves of surrogate pairs, by their places. */
  #odd = new Map<number, string>();

  /** @param capacity Most texts. */
  constructor(capacity: number) {
    this.#offsets = new Int32Array(capacity + 1);
    this.#bytes = new Uint8Array(capacity * usualBytes);
  }

  push(text: string): void {
    this.#waiting[this.#count - this.#encoded] = text;
    this.#count += 1;
    if (this.#count - this.#encoded === together) this.#encode();
  }

  /** What was pushed, in memory of its own. */
  take(): Texts {
    this.#encode();
    const end = this.#offsets[this.#count] as number;
    const offsets = this.#offsets.slice(0, this.#count + 1);
    const column: BytesColumn = { type: "utf8", length: this.#count, values: this.#bytes.slice(0, end), offsets };
    return new Texts(column, this.#odd);
  }

  clear(): void {
    const usual = this.#offsets.length * usualBytes;
    if (this.#bytes.length > usual * 4) this.#bytes = new Uint8Array(usual);
    this.#count = 0;
    this.#encoded = 0;
    // Those that were taken keep theirs.
    if (this.#odd.size > 0) this.#odd = new Map();
  }

  #encode(): void {
    const waiting = this.#count - this.#encoded;
    if (waiting === 0) return;
    const texts = waiting === together ? this.#waiting : this.#waiting.slice(0, waiting);
    const joined = texts.join("");
    const start = this.#offsets[this.#encoded] as number;
    this.#reserve(start + joined.length);
    const { read, written } = encoder.encodeInto(joined, this.#bytes.subarray(start, start + joined.length));
    // A byte for each unit: all is ASCII, and the places are told by the lengths.
    if (read === joined.length && written === read) {
      let end = start;
      for (let at = 0; at < waiting; at += 1) {
        end += (texts[at] as string).length;
        this.#offsets[this.#encoded + at + 1] = end;
      }
    } else for (let at = 0; at < waiting; at += 1) this.#encodeOne(this.#encoded + at, texts[at] as string);
    this.#encoded = this.#count;
  }

  #encodeOne(place: number, text: string): void {
    const start = this.#offsets[place] as number;
    this.#reserve(start + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(start));
    this.#offsets[place + 1] = start + written;
    if (decoder.decode(this.#bytes.subarray(start, start + written)) !== text) this.#odd.set(place, text);
  }

  #reserve(needed: number): void {
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Texts as a column, and as strings for who asks. */
export class Texts {
  readonly column: BytesColumn;
  readonly #odd: ReadonlyMap<number, string>;
  #strings: readonly string[] | undefined;

  constructor(column: BytesColumn, odd: ReadonlyMap<number, string>) {
    this.column = column;
    this.#odd = odd;
  }

  get strings(): readonly string[] {
    const { values, offsets, length } = this.column;
    const textAt = (at: number): string => decoder.decode(values.subarray(offsets[at], offsets[at + 1]));
    return (this.#strings ??= Array.from({ length }, (_, at) => this.#odd.get(at) ?? textAt(at)));
  }
}
