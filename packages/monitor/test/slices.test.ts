import { createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { findSlices } from "../src/slices.ts";

/** A table of flights, and what makes each row lose. */
function flights(rows: number, seed: number, loss: (row: { site: string; km: number; draw: () => number }) => number) {
  const random = createRandom(seed);
  const site = Array.from({ length: rows }, () => ["north", "south", "east", "west"][random.integer(4)]!);
  const km = Float64Array.from({ length: rows }, () => 100 + 900 * random.next());
  const table = batchOf({
    site: column("utf8", site),
    km,
    night: column(
      "bool",
      site.map(() => random.next() < 0.3),
    ),
    weight: Float64Array.from(km, () => random.normal()),
    fuel: column(
      "float64",
      site.map(() => (random.next() < 0.1 ? null : random.normal())),
    ),
  });
  const losses = site.map((name, row) => loss({ site: name, km: km[row]!, draw: () => random.next() }));
  return { table, losses, random, site, km };
}

test("MO-19: a planted slice of two conditions is found, with the size of its effect in the interval", () => {
  const runs = 20;
  let [covered, exact, shadows] = [0, 0, 0];
  for (let seed = 0; seed < runs; seed += 1) {
    const { table, losses, random, site, km } = flights(4_000, seed, ({ site: name, km: far, draw }) =>
      draw() < (name === "north" && far > 775 ? 0.4 : 0.1) ? 1 : 0,
    );
    const { slices, tested } = findSlices(table, losses, { random });
    const [worst] = slices;
    expect(worst, `run ${seed}`).toBeDefined();
    expect(worst!.conditions.map(({ column: name }) => name).sort()).toEqual(["km", "site"]);
    expect(worst!.text).toMatch(/site is "north"/);
    expect(worst!.adjustedPValue).toBeLessThanOrEqual(0.05);
    expect(worst!.rows / 4_000).toBe(worst!.share);
    expect(tested).toBeLessThanOrEqual(5);
    shadows += slices.length - 1;
    const planted = site.filter((name, row) => name === "north" && km[row]! > 775).length;
    if (Math.abs(worst!.rows - planted) <= 0.15 * planted) exact += 1;
    if (worst!.lower <= 0.3 && worst!.upper >= 0.3) covered += 1;
  }
  // The quartile is the plant's own edge, up to chance.
  expect(exact).toBeGreaterThanOrEqual(18);
  // Of 20 intervals of 95 %, fewer than 16 cover with a probability of 0.003.
  expect(covered).toBeGreaterThanOrEqual(16);
  // What holds a part of the plant is not found once more; false discoveries are rare.
  expect(shadows).toBeLessThanOrEqual(4);
});

test.each([
  ["wrong answers", ({ draw }: { draw: () => number }) => (draw() < 0.1 ? 1 : 0)],
  ["losses with a long tail", ({ draw }: { draw: () => number }) => (-Math.log(1 - draw())) ** 2],
] as const)("MO-19: random %s yield no slice, but for the share α of tables", (_, loss) => {
  const runs = 200;
  let found = 0;
  for (let seed = 0; seed < runs; seed += 1) {
    const { table, losses, random } = flights(400, 1_000 + seed, loss);
    if (findSlices(table, losses, { random, minimumRows: 10, alpha: 0.05 }).slices.length > 0) found += 1;
  }
  // P(binomial(200, 0.05) > 20) < 0.001.
  expect(found).toBeLessThanOrEqual(20);
});

test("a missing value and a boolean may be what a slice has in common", () => {
  const random = createRandom(1);
  const rows = 2_000;
  const fuel = Array.from({ length: rows }, () => (random.next() < 0.2 ? null : random.normal()));
  const night = fuel.map(() => random.next() < 0.5);
  const losses = fuel.map((value, row) => random.next() + (value === null && night[row] === true ? 0.5 : 0));
  const { slices } = findSlices(batchOf({ fuel: column("float64", fuel), night: column("bool", night) }), losses);
  expect(slices[0]!.text).toBe("fuel is missing and night > 0.5");
  expect(slices[0]!.difference).toBeCloseTo(0.5, 1);
});

test("losses that do not fit the rows are refused", () => {
  const rows = batchOf({ x: [1, 2, 3] });
  expect(() => findSlices(rows, [1, 2])).toThrow("2 losses for 3 rows");
  expect(() => findSlices(rows, [1, 2, Number.NaN])).toThrow("row 2");
  expect(() => findSlices(rows, [1, 2, 3], { maxConditions: 4 })).toThrow(RangeError);
});
