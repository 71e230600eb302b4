import { bodyInvalid } from "../errors.ts";

const broken = (): Error =>
  bodyInvalid("its Arrow stream is damaged", "Send an Arrow IPC stream as a library writes it.");

/** Refuses the bytes where it is not so. */
export function must(so: boolean): asserts so {
  if (!so) throw broken();
}

/** A table of a FlatBuffer, whose places are checked before they are read: nobody else's reader of this format does that. */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #layout: number;
  readonly #layoutSize: number;
  readonly #size: number;

  constructor(view: DataView, at: number) {
    must(at >= 0 && at + 4 <= view.byteLength);
    const layout = at - view.getInt32(at, true);
    must(layout >= 0 && layout + 4 <= view.byteLength);
    this.#view = view;
    this.#at = at;
    this.#layout = layout;
    this.#layoutSize = view.getUint16(layout, true);
    this.#size = view.getUint16(layout + 2, true);
    must(this.#layoutSize >= 4 && layout + this.#layoutSize <= view.byteLength && at + this.#size <= view.byteLength);
  }

  /** The table that the bytes begin with. */
  static root(view: DataView): FlatTable {
    must(view.byteLength >= 4);
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** Where a member of some bytes stands; `undefined` where it is absent. */
  #member(index: number, bytes: number): number | undefined {
    const place = 4 + 2 * index;
    const offset = place + 2 <= this.#layoutSize ? this.#view.getUint16(this.#layout + place, true) : 0;
    if (offset === 0) return undefined;
    must(offset + bytes <= this.#size);
    return this.#at + offset;
  }

  number(index: number, bytes: 1 | 2 | 4 | 8): number {
    const at = this.#member(index, bytes);
    if (at === undefined) return 0;
    if (bytes === 1) return this.#view.getUint8(at);
    if (bytes === 2) return this.#view.getInt16(at, true);
    if (bytes === 4) return this.#view.getInt32(at, true);
    return Number(this.#view.getBigInt64(at, true));
  }

  #target(index: number): number | undefined {
    const at = this.#member(index, 4);
    return at === undefined ? undefined : at + this.#view.getUint32(at, true);
  }

  table(index: number): FlatTable | undefined {
    const at = this.#target(index);
    return at === undefined ? undefined : new FlatTable(this.#view, at);
  }

  /** The first place and the length of a vector of items of some bytes. */
  #vector(index: number, itemBytes: number): readonly [number, number] {
    const at = this.#target(index);
    if (at === undefined) return [0, 0];
    must(at + 4 <= this.#view.byteLength);
    const length = this.#view.getUint32(at, true);
    must(at + 4 + length * itemBytes <= this.#view.byteLength);
    return [at + 4, length];
  }

  tables(index: number): readonly FlatTable[] {
    const [first, length] = this.#vector(index, 4);
    return Array.from({ length }, (_, item) => {
      const at = first + item * 4;
      return new FlatTable(this.#view, at + this.#view.getUint32(at, true));
    });
  }

  /** Pairs of 64-bit integers. */
  pairs(index: number): readonly (readonly [number, number])[] {
    const [first, length] = this.#vector(index, 16);
    const number = (at: number): number => Number(this.#view.getBigInt64(at, true));
    return Array.from({ length }, (_, item) => [number(first + item * 16), number(first + item * 16 + 8)]);
  }

  /** Texts, or vectors of numbers of some bytes: whether they are where they say. */
  checkVector(index: number, itemBytes = 1): void {
    this.#vector(index, itemBytes);
  }
}
