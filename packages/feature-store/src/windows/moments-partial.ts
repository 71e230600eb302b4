import type { PartialKind, PartialText } from "./partial.ts";
import { addWhole, squareOf, wholeOf, type Whole } from "./whole.ts";

/** How many values there are, their sum and that of their squares: exact. */
export interface Moments {
  readonly count: number;
  readonly sum: Whole;
  readonly squares: Whole;
}

const EMPTY: Moments = { count: 0, sum: 0, squares: 0 };

/** Sums of whole numbers; without `squares`, those of squares stay 0. */
export function momentsPartial({ squares: withSquares }: { readonly squares: boolean }): PartialKind<Moments> {
  return {
    empty: () => EMPTY,
    update: ({ count, sum, squares }, value) => ({
      count: count + 1,
      sum: addWhole(sum, value as number),
      squares: withSquares ? addWhole(squares, squareOf(value as number)) : 0,
    }),
    merge(states) {
      let [count, sum, squares]: [number, Whole, Whole] = [0, 0, 0];
      for (const state of states) {
        count += state.count;
        sum = addWhole(sum, state.sum);
        squares = addWhole(squares, state.squares);
      }
      return { count, sum, squares };
    },
    encode: ({ count, sum, squares }) => [count, String(sum), String(squares)],
    decode(text) {
      const [count, sum, squares] = text as readonly [number, string, string];
      return { count, sum: wholeOf(BigInt(sum)), squares: wholeOf(BigInt(squares)) };
    },
  };
}

/** The smallest and the largest value; Infinity and −Infinity where there is none. */
export interface Extremes {
  readonly least: number;
  readonly most: number;
}

const NONE: Extremes = { least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY };

export const extremesPartial: PartialKind<Extremes> = {
  empty: () => NONE,
  update: ({ least, most }, value) => ({
    least: Math.min(least, value as number),
    most: Math.max(most, value as number),
  }),
  merge: (states) =>
    states.reduce(
      (all, { least, most }) => ({ least: Math.min(all.least, least), most: Math.max(all.most, most) }),
      NONE,
    ),
  encode: ({ least, most }): PartialText => (least > most ? null : [least, most]),
  decode(text) {
    if (text === null) return NONE;
    const [least, most] = text as readonly [number, number];
    return { least, most };
  },
};
