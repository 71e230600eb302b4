import { hashBytes, hashText } from "@millwright/data";

/** Where the rows of a request begin: a number of a batch, and the row in it. */
export interface RequestPlace {
  readonly batch: number;
  readonly row: number;
}

const secondSeed = 0x9e3779b9;
/** No batch has this number: the place is free. */
const free = 0xffffffff;

/**
 * Places of requests by 64 bits of a hash of their ids, 21 to 43 bytes each; open addressing with linear steps, at most three quarters full. Two of a million requests are taken for one with a probability
 * of 3 in 100 million: whoever reads a place looks at the id that stands there.
 */
export class RequestPlaces {
  size = 0;
  #keys = new Uint32Array(2048);
  #places = new Uint32Array(2048).fill(free);

  get(requestId: string): RequestPlace | undefined {
    const at = this.#find(hashText(requestId), hashText(requestId, secondSeed));
    const batch = this.#places[2 * at] as number;
    return batch === free ? undefined : { batch, row: this.#places[2 * at + 1] as number };
  }

  /** Takes the id in the bytes. @param keeps Whether a request that stands in a batch already stays there. */
  set(bytes: Uint8Array, start: number, end: number, place: RequestPlace, keeps: (batch: number) => boolean): void {
    const [high, low] = [hashBytes(bytes, start, end), hashBytes(bytes, start, end, secondSeed)];
    const before = this.#places[2 * this.#find(high, low)] as number;
    if (before !== free && keeps(before)) return;
    if (before === free) this.size += 1;
    if (8 * this.size > 3 * this.#places.length) this.#grow();
    this.#write(high, low, place.batch, place.row);
  }

  /** The same without the requests of some batches. */
  without(isGone: (batch: number) => boolean): RequestPlaces {
    const left = new RequestPlaces();
    this.#each((high, low, batch, row) => {
      if (isGone(batch)) return;
      left.size += 1;
      if (8 * left.size > 3 * left.#places.length) left.#grow();
      left.#write(high, low, batch, row);
    });
    return left;
  }

  #each(told: (high: number, low: number, batch: number, row: number) => void): void {
    const [keys, places] = [this.#keys, this.#places];
    for (let at = 0; at < places.length; at += 2)
      if (places[at] !== free)
        told(keys[at] as number, keys[at + 1] as number, places[at] as number, places[at + 1] as number);
  }

  #find(high: number, low: number): number {
    const [keys, places] = [this.#keys, this.#places];
    const mask = places.length / 2 - 1;
    let at = low & mask;
    while (places[2 * at] !== free && (keys[2 * at] !== high || keys[2 * at + 1] !== low)) at = (at + 1) & mask;
    return at;
  }

  #write(high: number, low: number, batch: number, row: number): void {
    const at = 2 * this.#find(high, low);
    this.#keys[at] = high;
    this.#keys[at + 1] = low;
    this.#places[at] = batch;
    this.#places[at + 1] = row;
  }

  #grow(): void {
    const before = new RequestPlaces();
    [before.#keys, before.#places] = [this.#keys, this.#places];
    const length = 2 * this.#places.length;
    [this.#keys, this.#places] = [new Uint32Array(length), new Uint32Array(length).fill(free)];
    before.#each((high, low, batch, row) => this.#write(high, low, batch, row));
  }
}
