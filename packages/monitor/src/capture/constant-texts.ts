import type { BytesColumn } from "@millwright/contracts";

/** Columns of one text over and over. */
export interface ConstantTexts {
  /** The column shares its memory with others of the text: it is only read. */
  column(text: string, length: number): BytesColumn;
}

/** More texts than a server has endpoints, variants and models at once are those of the past. */
const mostKept = 64;

/** Makes each text's bytes once for the longest column so far. */
export function createConstantTexts(): ConstantTexts {
  const kept = new Map<string, BytesColumn>();
  return {
    column(text, length) {
      let longest = kept.get(text);
      if (longest === undefined || longest.length < length) {
        if (kept.size >= mostKept) kept.clear();
        longest = repeated(text, length);
        kept.set(text, longest);
      }
      const { values, offsets } = longest;
      return {
        type: "utf8",
        length,
        values: values.subarray(0, offsets[length]),
        offsets: offsets.subarray(0, length + 1),
      };
    },
  };
}

function repeated(text: string, length: number): BytesColumn {
  const one = Buffer.from(text);
  const offsets = Int32Array.from({ length: length + 1 }, (_, row) => row * one.length);
  return { type: "utf8", length, values: Buffer.alloc(length * one.length, one), offsets };
}
