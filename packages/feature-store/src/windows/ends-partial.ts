import type { PartialKind, PartialText } from "./partial.ts";
import type { WindowValue } from "./value-column.ts";

/** A value and when it was. */
export interface TimedValue {
  readonly timeUs: number;
  readonly value: WindowValue;
}

/** By time; values of one time by size, texts by their UTF-16 units: an order that no order of arrival can change. */
export function compareTimed(first: TimedValue, second: TimedValue): number {
  if (first.timeUs !== second.timeUs) return first.timeUs - second.timeUs;
  if (first.value === second.value) return 0;
  return first.value < second.value ? -1 : 1;
}

/** At most `amount` of the oldest or the newest values, in order of time. */
export function cutEnds(values: readonly TimedValue[], end: "first" | "last", amount: number): readonly TimedValue[] {
  if (values.length <= amount) return values;
  return end === "first" ? values.slice(0, amount) : values.slice(-amount);
}

/** The oldest or the newest values. */
export function endsPartial(end: "first" | "last", amount: number): PartialKind<readonly TimedValue[]> {
  const join = (values: TimedValue[]): readonly TimedValue[] => cutEnds(values.sort(compareTimed), end, amount);
  return {
    empty: () => [],
    update: (state, value, timeUs) => join([...state, { timeUs, value }]),
    merge: (states) => join(states.flat()),
    encode: (state): PartialText => state.map(({ timeUs, value }) => [timeUs, value]),
    decode: (text) =>
      (text as unknown as readonly (readonly [number, WindowValue])[]).map(([timeUs, value]) => ({ timeUs, value })),
  };
}
