import { createRandom, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { rankDriftImpact } from "../src/multivariate.ts";
import { rocAuc } from "../src/estimation/roc-auc.ts";

interface Table {
  readonly fuel: Float64Array;
  readonly paint: Float64Array;
  readonly site: readonly string[];
}

/** Rows of which the fuel moves by `fuel` and the paint by `paint` standard deviations. */
function drawTable(rows: number, moved: { readonly fuel: number; readonly paint: number }, random: Random): Table {
  const draw = (by: number) => Float64Array.from({ length: rows }, () => random.normal() + by);
  return {
    fuel: draw(moved.fuel),
    paint: draw(moved.paint),
    site: Array.from({ length: rows }, () => (random.next() < 0.5 ? "north" : "south")),
  };
}
const batch = ({ fuel, paint, site }: Table) => batchOf({ paint, fuel, site: column("utf8", site) });

/** The model missed that the target bends with the fuel; the paint it hardly looks at. */
const answer = (fuel: number, paint: number): number => 3 * fuel + 0.02 * paint;
const squaredErrors = ({ fuel, paint }: Table, random: Random): Float64Array =>
  fuel.map((value, row) => (3 * value + 0.8 * value * value + random.normal() - answer(value, paint[row]!)) ** 2);

/** By how much the answers differ where the values of one column change rows. */
function importancesOf(table: Table, random: Random): Record<string, number> {
  const mixed = (values: Float64Array) => values.map(() => values[random.integer(values.length)]!);
  const change = (fuel: Float64Array, paint: Float64Array): number =>
    table.fuel.reduce(
      (sum, value, row) => sum + Math.abs(answer(value, table.paint[row]!) - answer(fuel[row]!, paint[row]!)),
      0,
    ) / table.fuel.length;
  return { fuel: change(mixed(table.fuel), table.paint), paint: change(table.fuel, mixed(table.paint)), site: 0 };
}

const mean = (values: Float64Array): number => values.reduce((sum, each) => sum + each, 0) / values.length;

test("MO-14: a column whose small shift costs comes before one whose large shift is idle, by impact and by importance × shift, in each of 50 runs", () => {
  let [covered, sure] = [0, 0];
  for (let seed = 0; seed < 50; seed += 1) {
    const random = createRandom(seed);
    const [before, now] = [
      drawTable(3_000, { fuel: 0, paint: 0 }, random),
      drawTable(1_500, { fuel: 0.5, paint: 2 }, random),
    ];
    const losses = squaredErrors(before, random);
    const { columns, byImportance } = rankDriftImpact(batch(before), batch(now), losses, {
      importances: importancesOf(before, random),
    });
    const shift = Object.fromEntries(columns.map((each) => [each.name, each.shift]));
    // By the shift alone the idle one would come first.
    expect(shift["paint"]).toBeGreaterThan(2 * shift["fuel"]!);
    expect(columns[0]!.name).toBe("fuel");
    expect(byImportance[0]).toBe("fuel");
    if (columns[0]!.lower > 0) sure += 1;
    const realized = mean(squaredErrors(now, random)) - mean(losses);
    const error = Math.sqrt(mean(squaredErrors(now, random).map((each) => each ** 2)) / 1_500);
    if (realized >= columns[0]!.lower - 1.96 * error && realized <= columns[0]!.upper + 1.96 * error) covered += 1;
  }
  expect(sure).toBeGreaterThanOrEqual(45);
  // The fuel's drift is all that costs, so its impact is what the loss rose by.
  expect(covered).toBeGreaterThanOrEqual(45);
});

test("MO-14: without drift the interval of an impact holds 0 as often as it says", () => {
  let [holds, runs] = [0, 0];
  for (let seed = 0; seed < 100; seed += 1) {
    const random = createRandom(500 + seed);
    const still = { fuel: 0, paint: 0 };
    const [before, now] = [drawTable(1_000, still, random), drawTable(500, still, random)];
    for (const { lower, upper } of rankDriftImpact(batch(before), batch(now), squaredErrors(before, random)).columns) {
      runs += 1;
      if (lower <= 0 && upper >= 0) holds += 1;
    }
  }
  // P(binomial(300, 0.95) < 270) < 0.001.
  expect(runs).toBe(300);
  expect(holds).toBeGreaterThanOrEqual(270);
});

test("a metric of the caller's takes the place of the mean loss", () => {
  const random = createRandom(3);
  const rows = 2_000;
  const site = Array.from({ length: rows }, () => (random.next() < 0.2 ? "north" : "south"));
  // In the north the scores say nothing.
  const scores = Float64Array.from(site, () => random.next());
  const labels = scores.map((score, row) => (random.next() < (site[row] === "north" ? 0.5 : score) ? 1 : 0));
  const weightedLoss = (weights: Float64Array): number => {
    let [pairs, wins] = [0, 0];
    const order = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
    let [below, positives] = [0, 0];
    for (const row of order) {
      if (labels[row] === 1) {
        wins += weights[row]! * below;
        positives += weights[row]!;
      } else below += weights[row]!;
    }
    pairs = below * positives;
    return 1 - wins / pairs;
  };
  const current = batchOf({
    site: column(
      "utf8",
      site.map((_, row) => (row % 2 === 0 ? "north" : "south")),
    ),
  });
  const { columns, reference } = rankDriftImpact(
    batchOf({ site: column("utf8", site) }),
    current,
    new Float64Array(rows),
    { metric: weightedLoss },
  );
  expect(reference).toBeCloseTo(1 - rocAuc(scores, labels), 9);
  expect(columns[0]!.impact).toBeGreaterThan(0.05);
  expect(columns[0]!.lower).toBeGreaterThan(0);
});

test("what no reference row has is told, not guessed", () => {
  const reference = batchOf({ site: column("utf8", ["a", "a", "b", "b"]), km: [1, 2, 3, 4] });
  const current = batchOf({ site: column("utf8", ["a", "c"]), km: [2, 9] });
  const { columns } = rankDriftImpact(reference, current, [0, 0, 1, 1], { bins: 2 });
  expect(Object.fromEntries(columns.map(({ name, unseenShare }) => [name, unseenShare]))).toEqual({
    site: 0.5,
    km: 0.5,
  });
  expect(columns.find(({ name }) => name === "site")!.impact).toBeCloseTo(-0.5, 12);
});
