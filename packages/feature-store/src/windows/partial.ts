import type { WindowValue } from "./value-column.ts";

/** A partial as it is kept on disk: JSON. */
export type PartialText = null | number | string | readonly PartialText[];

/**
 * What a tile keeps of an input, so that the answer for many tiles is that for all their rows together: a mean is kept as a sum and a count.
 * Merging is associative and commutative to the bit, and states do not depend on the order in which rows came.
 */
export interface PartialKind<State> {
  empty(): State;
  /** Adds a value, never NaN. May change the state it is given, which then belongs to the result. */
  update(state: State, value: WindowValue, timeUs: number): State;
  /** Joins any number of states and changes none of them. */
  merge(states: readonly State[]): State;
  encode(state: State): PartialText;
  decode(text: PartialText): State;
}
