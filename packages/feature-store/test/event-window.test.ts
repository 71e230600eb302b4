import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createEventWindow } from "../src/online/event-window.ts";

interface Row {
  readonly timeUs: number;
  readonly inputs: readonly number[];
  readonly row: string;
}

test("an event window answers like a sorted list, whatever is added and dropped in whatever order", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = createRandom(seed);
    const window = createEventWindow(2, { keepRows: true });
    let rows: Row[] = [];
    for (let step = 0; step < 200; step++) {
      const newest = rows.at(-1)?.timeUs ?? 0;
      // Mostly in order; now and then late, or at a time that is there already.
      const timeUs = Math.max(0, newest + random.integer(12) - (random.integer(5) === 0 ? 40 : 3));
      const inputs = [0, 1].map(() =>
        random.integer(4) === 0 ? Number.NaN : random.integer(2 ** 31) * 2 ** 15 - 2 ** 45,
      );
      expect(window.add(timeUs, inputs, `row ${step}`)).toBe(-1);
      const at = rows.findLastIndex((row) => row.timeUs <= timeUs) + 1;
      rows.splice(at, 0, { timeUs, inputs, row: `row ${step}` });
      if (random.integer(20) === 0) {
        const before = newest - random.integer(60);
        window.dropBefore(before);
        rows = rows.slice(Math.max(0, rows.filter((row) => row.timeUs < before).length - 1));
      }
      if (step % 7 !== 0) continue;
      expect(window.length).toBe(rows.length);
      const [from, to] = [newest - random.integer(80), newest + random.integer(10)];
      const [start, end] = [from, to].map((time) => rows.filter((row) => row.timeUs < time).length) as [number, number];
      expect([window.countBefore(from), window.countBefore(to)]).toEqual([start, end]);
      for (const input of [0, 1]) {
        const values = rows
          .slice(start, end)
          .map((row) => row.inputs[input]!)
          .filter((value) => !Number.isNaN(value));
        expect(window.count(input, start, end)).toBe(values.length);
        expect(window.sum(input, start, end)).toBe(Number(values.reduce((sum, value) => sum + BigInt(value), 0n)));
      }
    }
    expect([...window.rows()]).toEqual(rows);
    window.clear();
    expect([window.length, window.countBefore(1e9)]).toEqual([0, 0]);
    window.add(5, [1, 2], "again");
    expect([window.sum(1, 0, 1), window.rowAt(0)]).toEqual([2, "again"]);
  }
});

test("a sum that would leave the exact range is refused, until rows are dropped", () => {
  const window = createEventWindow(2);
  const large = 2 ** 52;
  expect(window.add(1, [0, large])).toBe(-1);
  expect(window.add(2, [0, large])).toBe(1);
  expect(window.add(3, [0, -large])).toBe(1);
  expect(window.add(4, [7, 1])).toBe(-1);
  expect(window.length).toBe(2);
  window.dropBefore(5);
  expect(window.add(6, [0, large])).toBe(-1);
  expect(window.sum(1, 0, 2)).toBe(large + 1);
});

test("values, squares, the smallest and the largest of any rows are those of a sorted list, whatever is added, taken away and dropped", () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = createRandom(700 + seed);
    const needs = [
      { sums: true, squares: true, values: true },
      { sums: false, squares: false, values: true },
    ];
    const window = createEventWindow(2, { needs });
    let rows: { readonly timeUs: number; readonly number: number; readonly text: string | number }[] = [];
    for (let step = 0; step < 3000; step++) {
      const newest = rows.at(-1)?.timeUs ?? 0;
      const timeUs = Math.max(0, newest + random.integer(4) - (random.integer(20) === 0 ? 60 : 1));
      // Squares of up to 2^86.
      const number = random.integer(5) === 0 ? Number.NaN : random.integer(2 ** 31) * 2 ** 12 - 2 ** 42;
      const text = random.integer(5) === 0 ? Number.NaN : `text ${random.integer(9)}`;
      window.add(timeUs, [number, text]);
      rows.splice(rows.findLastIndex((row) => row.timeUs <= timeUs) + 1, 0, { timeUs, number, text });
      if (random.integer(15) === 0) {
        const gone = rows[random.integer(rows.length)]!;
        // Of rows that are all alike, the first goes.
        const place = rows.findIndex(
          (row) => row.timeUs === gone.timeUs && Object.is(row.number, gone.number) && Object.is(row.text, gone.text),
        );
        window.removeAt(window.find(gone.timeUs, [gone.number, gone.text]));
        rows.splice(place, 1);
        expect(window.find(gone.timeUs, [12345, "never there"])).toBe(-1);
      }
      if (random.integer(150) === 0) {
        const before = newest - random.integer(900);
        window.dropBefore(before);
        rows = rows.slice(Math.max(0, rows.filter((row) => row.timeUs < before).length - 1));
      }
      if (step % 40 !== 0) continue;
      expect(window.length).toBe(rows.length);
      const from = random.integer(rows.length);
      const to = from + random.integer(rows.length - from + 1);
      const inside = rows.slice(from, to);
      expect(inside.map((_, index) => window.valueAt(1, from + index))).toEqual(inside.map((row) => row.text));
      const numbers = inside.map((row) => row.number).filter((value) => !Number.isNaN(value));
      expect(window.smallest(0, from, to)).toBe(Math.min(...numbers));
      expect(window.largest(0, from, to)).toBe(Math.max(...numbers));
      expect(BigInt(window.squares(0, from, to))).toBe(numbers.reduce((sum, value) => sum + BigInt(value) ** 2n, 0n));
      expect(window.sum(0, from, to)).toBe(Number(numbers.reduce((sum, value) => sum + BigInt(value), 0n)));
    }
    window.clear();
    window.add(5, [3, "again"]);
    expect([window.length, window.valueAt(0, 0), window.valueAt(1, 0), window.squares(0, 0, 1)]).toEqual([
      1,
      3,
      "again",
      9,
    ]);
  }
});
