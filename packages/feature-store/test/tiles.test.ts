import { createRandom, type Random } from "@millwright/contracts";
import { expect, test } from "vitest";
import { endsPartial } from "../src/windows/ends-partial.ts";
import { extremesPartial, momentsPartial } from "../src/windows/moments-partial.ts";
import type { PartialKind } from "../src/windows/partial.ts";
import { createTiles, type TilePlan } from "../src/windows/tiles.ts";
import { divisor, floorTo } from "../src/windows/time-window.ts";
import type { WindowValue } from "../src/windows/value-column.ts";
import {
  distinctSketchPartial,
  quantileSketchPartial,
  sketchOf,
  valuesPartial,
} from "../src/windows/values-partial.ts";
import { varianceOfSums } from "../src/windows/whole.ts";

interface Row {
  readonly timeUs: number;
  readonly value: WindowValue;
}

const kinds: Readonly<Record<string, PartialKind<unknown>>> = {
  sums: momentsPartial({ squares: false }) as PartialKind<unknown>,
  squares: momentsPartial({ squares: true }) as PartialKind<unknown>,
  extremes: extremesPartial as PartialKind<unknown>,
  values: valuesPartial as PartialKind<unknown>,
  distinctSketch: distinctSketchPartial as PartialKind<unknown>,
  quantileSketch: quantileSketchPartial as PartialKind<unknown>,
  first: endsPartial("first", 4) as PartialKind<unknown>,
  last: endsPartial("last", 4) as PartialKind<unknown>,
};

/** States as they can be compared; a map and a sketch have an order inside that says nothing. */
function shown(name: string, state: unknown): unknown {
  if (name === "values") return [...(state as Map<number, number>)].sort(([a], [b]) => a - b);
  if (name === "quantileSketch") return sketchOf(state as Parameters<typeof sketchOf>[0]);
  return state;
}

const randomRows = (random: Random, count: number): Row[] =>
  Array.from({ length: count }, () => ({
    timeUs: random.integer(40),
    // Sums beyond 2^53, and squares far beyond; and values that come again.
    value: random.integer(3) === 0 ? random.integer(5) : random.integer(2 ** 31) * 2 ** 21 - 2 ** 51,
  }));

for (const [name, kind] of Object.entries(kinds)) {
  test(`the partial of ${name}: any split, any order and any way of merging give the state of all rows; empty changes nothing`, () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = createRandom(seed);
      const of = (rows: readonly Row[]): unknown =>
        rows.reduce((state, { timeUs, value }) => kind.update(state, value, timeUs), kind.empty());
      const rows = randomRows(random, random.integer(60));
      const parts: Row[][] = [[], [], []];
      for (const row of rows.toSorted(() => random.next() - 0.5)) parts[random.integer(3)]!.push(row);
      const [a, b, c] = parts.map(of);
      const before = [a, b, c].map((state) => JSON.stringify(kind.encode(state)));
      const whole = shown(name, of(rows));
      expect(shown(name, kind.merge([a, b, c]))).toEqual(whole);
      expect(shown(name, kind.merge([kind.merge([a, b]), c]))).toEqual(whole);
      expect(shown(name, kind.merge([a, kind.merge([c, b])]))).toEqual(whole);
      expect(shown(name, kind.merge([kind.empty(), of(rows), kind.empty()]))).toEqual(whole);
      expect(shown(name, kind.merge([]))).toEqual(shown(name, kind.empty()));
      expect([a, b, c].map((state) => JSON.stringify(kind.encode(state)))).toEqual(before);
      // What was written down is what comes back.
      const text = JSON.parse(JSON.stringify(kind.encode(of(rows)))) as ReturnType<typeof kind.encode>;
      expect(shown(name, kind.decode(text))).toEqual(whole);
    }
  });
}

test("a mean of tiles is that of their rows, not of their means; a variance has the divisor n − 1", () => {
  const moments = momentsPartial({ squares: true });
  const of = (...values: number[]) => values.reduce((state, value) => moments.update(state, value, 0), moments.empty());
  const { count, sum } = moments.merge([of(1, 2, 3, 4), of(10)]);
  expect(Number(sum) / count).toBe(4);
  // A textbook sample: mean 5, squared distances 32.
  const textbook = moments.merge([of(2, 4, 4, 4), of(5, 5, 7, 9)]);
  expect(varianceOfSums(textbook.count, textbook.sum, textbook.squares, 1)).toBe(32 / 7);
  expect(varianceOfSums(1, 5, 25, 1)).toBeNaN();
  // Where doubles would cancel to nothing: 2^52 − 1, 2^52, 2^52 + 1 have the variance 1.
  const large = of(2 ** 52 - 1, 2 ** 52, 2 ** 52 + 1);
  expect(varianceOfSums(large.count, large.sum, large.squares, 1)).toBe(1);
});

test("tiles hold each row in its span of time, also before the epoch, and are written down and joined again", () => {
  const plan: TilePlan = {
    widthUs: 10,
    reachUs: 100,
    partials: [{ name: "values", kind: kinds["values"]!, input: 0 }],
  };
  const [tiles, others, joined] = [createTiles(plan), createTiles(plan), createTiles(plan)];
  const random = createRandom(3);
  const rows = Array.from({ length: 500 }, () => ({ timeUs: random.integer(400) - 200, value: random.integer(9) }));
  rows.forEach(({ timeUs, value }, index) => {
    (index % 2 === 0 ? tiles : others).add(timeUs, () => value);
  });
  const throughJson = <Text>(text: Text): Text => JSON.parse(JSON.stringify(text)) as Text;
  for (const text of [...others.texts(-Infinity), ...tiles.texts(-Infinity)])
    expect(joined.addText(throughJson(text))).toBe(true);
  expect(joined.length).toBe(40);
  joined.dropBefore(-150);
  for (const [from, to] of [
    [-200, 200],
    [-150, -140],
    [-10, 10],
    [0, 200],
    [50, 50],
  ] as const) {
    const states: unknown[] = [];
    joined.collect(0, { fromUs: from, toUs: to }, states);
    const inside = rows.filter(({ timeUs }) => timeUs >= Math.max(from, -150) && timeUs < to);
    const counted = inside.reduce((state, { value }) => valuesPartial.update(state, value, 0), valuesPartial.empty());
    expect(shown("values", valuesPartial.merge(states as ReturnType<typeof valuesPartial.empty>[]))).toEqual(
      shown("values", counted),
    );
  }
  const [first] = joined.texts(0);
  expect(createTiles({ ...plan, widthUs: 20 }).addText(first!)).toBe(false);
  expect(createTiles({ ...plan, partials: [{ ...plan.partials[0]!, name: "others" }] }).addText(first!)).toBe(false);
});

test("steps are multiples since the epoch on both sides of it, to the microsecond", () => {
  expect([floorTo(25, 10), floorTo(20, 10), floorTo(-1, 10), floorTo(-10, 10), floorTo(-11, 10)]).toEqual([
    20, 20, -10, -10, -20,
  ]);
  // The quotient rounds up to a whole number in doubles; the step must not.
  expect(floorTo(3 * 3_000_000_000_000_000 - 1, 3_000_000_000_000_000)).toBe(6_000_000_000_000_000);
  expect([divisor(0, 7), divisor(7, 0), divisor(90, 60)]).toEqual([7, 7, 30]);
});
