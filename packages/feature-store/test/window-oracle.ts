import type { Batch, Column, Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import {
  count,
  distinct,
  first,
  firstValue,
  hours,
  last,
  lastValue,
  max,
  mean,
  min,
  minutes,
  quantile,
  session,
  sliding,
  standardDeviation,
  sum,
  tumbling,
  variance,
  type Aggregate,
  type WindowLike,
} from "../src/index.ts";

export const START_MS = Date.UTC(2024, 1, 28, 21, 7);
export const MINUTE = 60_000;

export interface Event {
  readonly key: string;
  readonly timeMs: number;
  readonly amount: number | null;
  readonly price: number | null;
  readonly big: number | null;
  readonly late: boolean | null;
  readonly carrier: string | null;
  /** A time of its own, in microseconds. */
  readonly stamp: number | null;
}

/** Events of three entities in a day, with ties, nulls, and numbers whose sums and squares leave what a double holds. */
export function randomEvents(random: Random, amount: number): Event[] {
  const orNull = <Value>(value: Value): Value | null => (random.integer(7) === 0 ? null : value);
  return Array.from({ length: amount }, () => ({
    key: `k${random.integer(3)}`,
    timeMs: START_MS + random.integer(1500) * MINUTE + random.integer(3) * 500,
    amount: orNull(random.integer(60) - 30),
    price: orNull(random.integer(12) === 0 ? Number.NaN : (random.next() - 0.5) * 10 ** random.integer(6)),
    big: orNull(random.integer(2 ** 31) * 512 - 2 ** 39),
    late: orNull(random.integer(2) === 1),
    carrier: orNull(["UA", "AA", "späť", "", "a carrier with a long name"][random.integer(5)]!),
    stamp: orNull(START_MS * 1000 + random.integer(2 ** 31)),
  }));
}

export const inputs = {
  amount: "int32",
  price: "float64",
  big: "int64",
  late: "bool",
  carrier: "utf8",
  stamp: "timestamp",
} as const;

export const timestamps = (values: readonly number[]) =>
  column(
    "timestamp",
    values.map((ms) => BigInt(Math.round(ms * 1000))),
  );

export function batchOfEvents(events: readonly Event[], more: Readonly<Record<string, Column>> = {}): Batch {
  const of = <Name extends keyof Event>(name: Name): Event[Name][] => events.map((event) => event[name]);
  return batchOf({
    key: column("utf8", of("key")),
    known: timestamps(of("timeMs")),
    amount: column("int32", of("amount")),
    price: column("float64", of("price")),
    big: column(
      "int64",
      of("big").map((value) => (value === null ? null : BigInt(value))),
    ),
    late: column("bool", of("late")),
    carrier: column("utf8", of("carrier")),
    stamp: column("timestamp", of("stamp")),
    ...more,
  });
}

type Input = keyof typeof inputs;
type Aggregates = Readonly<Record<string, Aggregate<Input>>>;

export const rowWindows: Readonly<Record<string, WindowLike>> = {
  w90m: minutes(90),
  session: session(minutes(9), { longestMs: hours(2) }),
};
export const tileWindows: Readonly<Record<string, WindowLike>> = {
  stepped: sliding(hours(3), { slideMs: minutes(20) }),
  uneven: sliding(minutes(90), { slideMs: hours(1) }),
  last: tumbling(hours(2), { offsetMs: minutes(30) }),
  current: tumbling(hours(4), { which: "current", offsetMs: -minutes(10) }),
};

/** Every aggregate over every one of the windows. */
export function everyAggregate(windows: Readonly<Record<string, WindowLike>>): Aggregates {
  const all = Object.entries(windows).flatMap(([name, window]): (readonly [string, Aggregate<Input>])[] => [
    [`count_${name}`, count(window)],
    [`sum_price_${name}`, sum("price", window)],
    [`sum_big_${name}`, sum("big", window)],
    [`mean_amount_${name}`, mean("amount", window)],
    [`mean_late_${name}`, mean("late", window)],
    [`min_price_${name}`, min("price", window)],
    [`max_amount_${name}`, max("amount", window)],
    [`max_big_${name}`, max("big", window)],
    [`variance_price_${name}`, variance("price", window)],
    [`variance_amount_${name}`, variance("amount", window)],
    [`deviation_big_${name}`, standardDeviation("big", window)],
    [`distinct_carrier_${name}`, distinct("carrier", window)],
    [`distinct_amount_${name}`, distinct("amount", window)],
    [`median_price_${name}`, quantile("price", 0.5, window)],
    [`q90_amount_${name}`, quantile("amount", 0.9, window)],
    [`first_amount_${name}`, first("amount", 2, window)],
    [`last_price_${name}`, last("price", 3, window)],
    [`first_carrier_${name}`, firstValue("carrier", window)],
    [`last_carrier_${name}`, lastValue("carrier", window)],
    [`last_big_${name}`, lastValue("big", window)],
    [`first_late_${name}`, firstValue("late", window)],
    [`last_stamp_${name}`, lastValue("stamp", window)],
    [`earliest_${name}`, min("stamp", window)],
    [`carriers_${name}`, last("carrier", 3, window)],
    [`lates_${name}`, first("late", 3, window)],
    [`stamps_${name}`, last("stamp", 2, window)],
    [`bigs_${name}`, first("big", 2, window)],
  ]);
  return Object.fromEntries(all);
}

/** The window's rows, by its definition read out loud. `rows` are the entity's before the time, in order of time. */
function within(rows: readonly Event[], { windowMs, window }: Aggregate, timeMs: number): readonly Event[] {
  const between = (fromMs: number, toMs: number): Event[] =>
    rows.filter((row) => row.timeMs >= fromMs && row.timeMs < toMs);
  if (window === undefined) return between(timeMs - windowMs, timeMs);
  if (window.kind === "sliding") {
    const endMs = Math.floor(timeMs / window.slideMs) * window.slideMs;
    return between(endMs - window.lengthMs, endMs);
  }
  if (window.kind === "tumbling") {
    const { lengthMs, offsetMs, which } = window;
    const startMs = Math.floor((timeMs - offsetMs) / lengthMs) * lengthMs + offsetMs;
    return which === "current" ? between(startMs, timeMs) : between(startMs - lengthMs, startMs);
  }
  const open: Event[] = [];
  let nextMs = timeMs;
  for (const row of between(timeMs - window.longestMs, timeMs).toReversed()) {
    if (nextMs - row.timeMs >= window.gapMs) break;
    open.unshift(row);
    nextMs = row.timeMs;
  }
  return open;
}

/** Exact: whole numbers as bigint, and rounding at the end. */
export function oracle(
  events: readonly Event[],
  key: string,
  timeMs: number,
  aggregates: Aggregates,
): Record<string, unknown> {
  const before = events.filter((event) => event.key === key && event.timeMs < timeMs);
  const rows = before.toSorted((a, b) => a.timeMs - b.timeMs);
  return Object.fromEntries(
    Object.entries(aggregates).map(([name, aggregate]) => {
      if (rows.length === 0) return [name, null];
      const inside = within(rows, aggregate, timeMs);
      return [name, aggregate.kind === "count" ? inside.length : ofValues(aggregate, inside)];
    }),
  );
}

interface Timed {
  readonly timeMs: number;
  readonly value: bigint | string;
}

function ofValues({ kind, input, share, amount }: Aggregate, rows: readonly Event[]): unknown {
  const name = input as Input;
  const scale = name === "price" ? 1e6 : 1;
  const timed = rows.flatMap((row): Timed[] => {
    const value = row[name];
    if (value === null || Number.isNaN(value)) return [];
    if (typeof value === "string") return [{ timeMs: row.timeMs, value }];
    return [{ timeMs: row.timeMs, value: BigInt(Math.floor(Number(value) * scale + (scale === 1 ? 0 : 0.5))) }];
  });
  const compare = (a: bigint | string, b: bigint | string): number => (a < b ? -1 : a > b ? 1 : 0);
  timed.sort((a, b) => a.timeMs - b.timeMs || compare(a.value, b.value));
  const plain = (value: bigint | string): number | string =>
    typeof value === "string" ? value : Number(value) / scale;
  /** As its input is: true and false, 64-bit integers and times as bigint. */
  const same = (value: bigint | string): unknown =>
    name === "late" ? value === 1n : name === "big" || name === "stamp" ? value : plain(value);
  const values = timed.map(({ value }) => value);
  if (kind === "distinct") return new Set(values).size;
  if (kind === "first") return values.slice(0, amount).map(same);
  if (kind === "last") return values.slice(-amount!).map(same);
  if (kind === "firstValue") return values.length === 0 ? null : same(values[0]!);
  if (kind === "lastValue") return values.length === 0 ? null : same(values.at(-1)!);
  const numbers = (values as bigint[]).toSorted(compare);
  const total = numbers.reduce((all, value) => all + value, 0n);
  if (kind === "sum") return Number(total) / scale;
  if (numbers.length === 0) return null;
  if (kind === "mean") return Number(total) / (numbers.length * scale);
  if (kind === "min") return name === "stamp" ? numbers[0] : plain(numbers[0]!);
  if (kind === "max") return plain(numbers.at(-1)!);
  if (kind === "quantile") {
    const enough = numbers.find(
      (value) => numbers.filter((other) => other <= value).length >= share! * numbers.length - 1e-9,
    );
    return plain(enough!);
  }
  const n = numbers.length;
  if (n < 2) return null;
  const squares = numbers.reduce((all, value) => all + value * value, 0n);
  const sampleVariance = Number(BigInt(n) * squares - total * total) / (n * (n - 1) * scale * scale);
  return kind === "variance" ? sampleVariance : Math.sqrt(sampleVariance);
}
