import type { Batch, Column } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { isNumericType } from "./column.ts";
import { hashText, mix32 } from "./hash.ts";
import { toArray } from "./value.ts";

/** Finds rows that are nearly the same: the Jaccard similarity of what stands in their columns is at least a threshold. */
export interface RowIndex {
  /** @returns the first row found that is as similar as asked, with how similar it is; undefined where there is none. */
  find(tokens: Uint32Array): { readonly id: number; readonly similarity: number } | undefined;
  add(id: number, tokens: Uint32Array): void;
}

/** Bands of a signature: rows that agree in one of them are compared. */
const bands = 16;
/** Rows as similar as the threshold agree in no band with at most this probability. */
const missed = 0.001;

/**
 * MinHash (Broder, "On the resemblance and containment of documents", 1997) with bands (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
 * chapter 3). What it finds is compared in full, so nothing is found that is less similar.
 */
export function createRowIndex(threshold: number): RowIndex {
  const bandRows = Math.min(16, Math.max(1, Math.floor(Math.log(1 - missed ** (1 / bands)) / Math.log(threshold))));
  const buckets = Array.from({ length: bands }, () => new Map<number, number[]>());
  const rows: { readonly id: number; readonly tokens: Uint32Array }[] = [];
  const known = new Map<number, number>();
  return {
    find(tokens) {
      const compared = new Set<number>();
      for (const [band, hash] of bandHashes(tokens, bandRows).entries()) {
        for (const at of buckets[band]?.get(hash) ?? []) {
          if (compared.has(at)) continue;
          compared.add(at);
          const row = rows[at] as (typeof rows)[number];
          const similarity = jaccard(tokens, row.tokens);
          if (similarity >= threshold) return { id: row.id, similarity };
        }
      }
      return undefined;
    },
    add(id, tokens) {
      if (tokens.length === 0) return;
      // Equal rows find the same, so one stands for all.
      const whole = tokens.reduce((hash, token) => mix32(hash ^ token), tokens.length);
      const twin = known.get(whole);
      if (twin !== undefined && jaccard(tokens, (rows[twin] as (typeof rows)[number]).tokens) === 1) return;
      known.set(whole, rows.length);
      for (const [band, hash] of bandHashes(tokens, bandRows).entries()) {
        const bucket = buckets[band] as Map<number, number[]>;
        const found = bucket.get(hash);
        if (found === undefined) bucket.set(hash, [rows.length]);
        else found.push(rows.length);
      }
      rows.push({ id, tokens });
    },
  };
}

function bandHashes(tokens: Uint32Array, bandRows: number): Uint32Array {
  const hashes = new Uint32Array(bands);
  for (let band = 0; band < bands; band += 1) {
    let hash = band;
    for (let row = 0; row < bandRows; row += 1) {
      const salt = Math.imul(band * bandRows + row + 1, 0x9e3779b1);
      let least = 0xffffffff;
      for (const token of tokens) {
        const mixed = mix32(token ^ salt) >>> 0;
        if (mixed < least) least = mixed;
      }
      hash = mix32(hash ^ least);
    }
    hashes[band] = hash;
  }
  return hashes;
}

/** Both are sorted and without repetition. */
function jaccard(a: Uint32Array, b: Uint32Array): number {
  let both = 0;
  for (let left = 0, right = 0; left < a.length && right < b.length;) {
    const [x, y] = [a[left] as number, b[right] as number];
    if (x === y) both += 1;
    if (x <= y) left += 1;
    if (y <= x) right += 1;
  }
  return both / (a.length + b.length - both);
}

/**
 * @returns for each row what it consists of, as sorted 32-bit hashes: a token a column with a value, floats rounded to six digits; of a text of four
 * words or more, every three words that follow each other, in lower case.
 */
export function rowTokens(batch: Batch, columns: readonly string[]): readonly Uint32Array[] {
  const tokens = Array.from({ length: batch.length }, (): number[] => []);
  for (const name of columns) {
    const seed = hashText(name);
    for (const [row, texts] of textsOf(columnOf(batch, name)).entries())
      for (const text of texts) tokens[row]?.push(hashText(text, seed));
  }
  return tokens.map((each) => Uint32Array.from(new Set(each)).sort());
}

const wordsTogether = 3;

function textsOf(column: Column): readonly (readonly string[])[] {
  const isFloat = column.type === "float32" || column.type === "float64";
  const isNumber = isNumericType(column.type) || column.type === "bool";
  return toArray(column).map((value) => {
    if (value === null) return [];
    if (isFloat) return [(value as number).toPrecision(6)];
    if (isNumber) return [String(value)];
    if (typeof value !== "string")
      return [JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item))];
    const words = value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    if (words.length <= wordsTogether) return [words.join(" ")];
    return words.slice(0, 1 - wordsTogether).map((_, at) => words.slice(at, at + wordsTogether).join(" "));
  });
}
