import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { column } from "../src/column.ts";
import { addTextToDistinct, emptyDistinct } from "../src/distinct.ts";
import { mostFrequent } from "../src/frequent.ts";
import { createProfiler, profileOf } from "../src/profile.ts";

const letters = ["", "a", "é", "漢", "😀", "xyz", "0"];
const random = createRandom(7);
/** Texts of every length around the words of four bytes in which they are compared, of one, two, three and four bytes a character. */
const texts = Array.from({ length: 400 }, (_, at) =>
  Array.from({ length: at % 21 }, () => letters[Math.floor(random.next() * letters.length)] as string).join(""),
);

for (const type of ["utf8", "dictionary"] as const)
  test(`${type}: texts are counted and told apart as one by one, whatever their bytes, in however many batches`, () => {
    const rows = Array.from({ length: 20_000 }, () =>
      random.next() < 0.1 ? null : (texts[Math.floor(random.next() ** 2 * texts.length)] as string),
    );
    const profiler = createProfiler([{ name: "x", type }], { maxTexts: 1000 });
    for (let start = 0; start < rows.length; start += 3000) {
      const x = column(type, rows.slice(start, start + 3000));
      profiler.update({ length: x.length, columns: { x } });
    }
    const counts = new Map<string, number>();
    const distinct = emptyDistinct();
    for (const text of rows) {
      if (text === null) continue;
      counts.set(text, (counts.get(text) ?? 0) + 1);
      addTextToDistinct(distinct, text);
    }
    const { frequent, distinct: registers, missing } = profiler.profile().columns["x"]!;
    expect(frequent?.error).toBe(0);
    expect(mostFrequent(frequent!)).toEqual(mostFrequent({ ...frequent!, counts }));
    expect(registers).toEqual(distinct);
    expect(missing).toBe(rows.filter((text) => text === null).length);
  });

test("more texts than are kept leave the frequent ones, within the stated error", () => {
  const rows = Array.from({ length: 60_000 }, (_, at) =>
    at % 3 === 0 ? "often" : `once-${at}-${"long".repeat(at % 4)}`,
  );
  const x = column("utf8", rows);
  const { frequent } = profileOf({ length: x.length, columns: { x } }, { maxTexts: 64 }).columns["x"]!;
  expect(frequent?.total).toBe(60_000);
  const count = frequent?.counts.get("often") ?? 0;
  expect(count).toBeLessThanOrEqual(20_000);
  expect(count + (frequent?.error ?? 0)).toBeGreaterThanOrEqual(20_000);
  expect(frequent?.error).toBeLessThanOrEqual(60_000 / 65);
});
