import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createEventWindow } from "../src/event-window.ts";

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
