import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { nonDominatedBoxes } from "../src/multi/box-decomposition.ts";
import { crowdingDistances } from "../src/multi/crowding.ts";
import { constrainedRanks, dominates, frontIndices, nonDominationRanks } from "../src/multi/domination.ts";
import { hypervolume, referencePointOf } from "../src/multi/hypervolume.ts";
import { hypervolumeImprovement } from "../src/multi/improvement.ts";
import { bestByHypervolume } from "../src/multi/motpe.ts";
import { divisionsFor, referenceDirections } from "../src/multi/reference-directions.ts";
import { selectByHypervolume } from "../src/multi/subset-selection.ts";

interface Golden {
  readonly cases: readonly {
    readonly points: readonly (readonly number[])[];
    readonly ranks: readonly number[];
    readonly violations: readonly number[];
    readonly constrainedRanks: readonly number[];
    readonly crowding: readonly (number | "Infinity")[];
    readonly reference?: readonly number[];
    readonly hypervolume?: number;
    readonly subset?: readonly number[];
    /** The best 1, 4, 13 and 22. */
    readonly good?: readonly (readonly number[])[];
    readonly defaultReference?: readonly number[];
  }[];
  readonly directions: readonly {
    readonly objectives: number;
    readonly divisions: number;
    readonly points: readonly (readonly number[])[];
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("golden/optuna-5.0.0-multi-objective.json", import.meta.url), "utf8"),
) as Golden;

for (const expected of golden.cases) {
  const { points, reference } = expected;
  const objectives = points[0]?.length ?? 0;
  test(`ranks, crowding, hypervolume and subsets of ${objectives} objectives equal Optuna's`, () => {
    expect([...nonDominationRanks(points)]).toEqual(expected.ranks);
    expect([...constrainedRanks(points, expected.violations)]).toEqual(expected.constrainedRanks);
    for (const [index, distance] of crowdingDistances(points).entries())
      expect(distance).toBeCloseTo(Number(expected.crowding[index]), 10);
    if (reference === undefined) return;
    expect(hypervolume(points, reference)).toBeCloseTo(expected.hypervolume as number, 11);
    expect(selectByHypervolume(points, 9, reference)).toEqual(expected.subset);
    expect([1, 4, 13, 22].map((count) => bestByHypervolume(points, count))).toEqual(expected.good);
    expect(referencePointOf(points)).toEqual(expected.defaultReference);
  });
}

test("reference directions are Das and Dennis's, and as many as were asked for at most", () => {
  const sorted = (points: readonly (readonly number[])[]): string[] =>
    points.map((point) => point.map((share) => share.toFixed(6)).join(" ")).toSorted();
  for (const { objectives, divisions, points } of golden.directions)
    expect(sorted(referenceDirections(objectives, divisions))).toEqual(sorted(points));
  for (const [objectives, count] of [
    [2, 50],
    [3, 50],
    [5, 50],
    [8, 20],
  ] as const) {
    const divisions = divisionsFor(objectives, count);
    expect(referenceDirections(objectives, divisions).length).toBeLessThanOrEqual(count);
    expect(referenceDirections(objectives, divisions + 1).length).toBeGreaterThan(count);
  }
  expect(() => referenceDirections(2, 0)).toThrow(RangeError);
});

const randomPoints = (count: number, objectives: number, seed: number): number[][] => {
  const random = createRandom(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: objectives }, () => Math.round(random.next() * 20) / 20),
  );
};

for (const objectives of [1, 2, 3, 4]) {
  test(`each rank of random points of ${objectives} objectives is by definition one more than the worst that dominates it`, () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const points = randomPoints(60, objectives, seed);
      const ranks = nonDominationRanks(points);
      for (const [index, point] of points.entries()) {
        const above = points.flatMap((other, row) => (dominates(other, point) ? [ranks[row] as number] : []));
        expect(ranks[index]).toBe(above.length === 0 ? 0 : Math.max(...above) + 1);
      }
      const front = frontIndices(points);
      expect(front.every((index) => ranks[index] === 0)).toBe(true);
      expect(new Set(front.map((index) => points[index]?.join())).size).toBe(
        new Set(points.flatMap((point, index) => (ranks[index] === 0 ? [point.join()] : []))).size,
      );
    }
  });
}

for (const objectives of [2, 3, 4, 5]) {
  test(`the boxes of ${objectives} objectives do not overlap and fill what the points leave over`, () => {
    for (let seed = 0; seed < 10; seed += 1) {
      const points = randomPoints(12, objectives, 100 + seed).map((point) => point.map((loss) => loss + 0.01));
      const reference = new Array<number>(objectives).fill(0.9);
      const boxes = nonDominatedBoxes(points, reference);
      let volume = 0;
      for (let box = 0; box < boxes.count; box += 1) {
        let size = 1;
        for (let objective = 0; objective < objectives; objective += 1) {
          const cell = box * objectives + objective;
          size *= Math.max(0, (boxes.upper[cell] as number) - Math.max(0, boxes.lower[cell] as number));
        }
        volume += size;
      }
      expect(volume + hypervolume(points, reference)).toBeCloseTo(0.9 ** objectives, 10);
      // Each random point lies in one box, or in none and is dominated.
      for (const point of randomPoints(50, objectives, 500 + seed).map((row) =>
        row.map((loss) => loss * 0.89 + 0.003),
      )) {
        let inside = 0;
        for (let box = 0; box < boxes.count; box += 1) {
          if (
            point.every((loss, objective) => {
              const cell = box * objectives + objective;
              return loss >= (boxes.lower[cell] as number) && loss < (boxes.upper[cell] as number);
            })
          )
            inside += 1;
        }
        expect(inside).toBe(
          points.some((other) => other.every((loss, objective) => loss <= (point[objective] as number))) ? 0 : 1,
        );
      }
      if (objectives === 3) expect(boxes.count).toBeLessThanOrEqual(2 * frontIndices(points).length + 1);
    }
  });
}

for (const objectives of [2, 3, 4]) {
  test(`the expected hypervolume improvement of ${objectives} objectives is the mean of 200,000 simulated ones`, () => {
    const points = randomPoints(8, objectives, 7);
    const reference = new Array<number>(objectives).fill(1.1);
    const means = Array.from({ length: objectives }, (_, objective) => 0.2 + 0.1 * objective);
    const deviations = Array.from({ length: objectives }, (_, objective) => 0.15 + 0.05 * objective);
    const before = hypervolume(points, reference);
    const random = createRandom(3);
    let sum = 0;
    let squares = 0;
    const draws = objectives === 2 ? 200_000 : 40_000;
    for (let draw = 0; draw < draws; draw += 1) {
      const point = means.map((mean, objective) => mean + (deviations[objective] as number) * random.normal());
      const gain = hypervolume([...points, point], reference) - before;
      sum += gain;
      squares += gain * gain;
    }
    const mean = sum / draws;
    const error = Math.sqrt((squares / draws - mean * mean) / draws);
    const exact = Math.exp(hypervolumeImprovement(nonDominatedBoxes(points, reference)).at(means, deviations).value);
    expect(Math.abs(exact - mean)).toBeLessThan(4 * error);
  });
}

test("the slopes of the log improvement are its differences, also where the improvement underflows", () => {
  for (const objectives of [2, 3]) {
    const improvement = hypervolumeImprovement(
      nonDominatedBoxes(randomPoints(10, objectives, 9), new Array<number>(objectives).fill(1.1)),
    );
    for (const shift of [0.3, 3, 40]) {
      const means = Array.from({ length: objectives }, (_, objective) => shift + 0.1 * objective);
      const deviations = Array.from({ length: objectives }, (_, objective) => 0.1 + 0.05 * objective);
      const { value, byMean, byDeviation } = improvement.at(means, deviations);
      expect(Number.isFinite(value)).toBe(true);
      const slopes = [...byMean, ...byDeviation];
      const at = (index: number, step: number): number => {
        const moved = [...means, ...deviations].map((entry, place) => (place === index ? entry + step : entry));
        return improvement.at(moved.slice(0, objectives), moved.slice(objectives)).value;
      };
      for (const [index, slope] of slopes.entries()) {
        const difference = (at(index, 1e-6) - at(index, -1e-6)) / 2e-6;
        expect(Math.abs(difference - slope)).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)));
      }
    }
  }
});

test("5,000 points of two objectives are ranked in a few milliseconds", () => {
  const random = createRandom(1);
  const points = Array.from({ length: 5_000 }, () => [random.next(), random.next()]);
  nonDominationRanks(points);
  const started = process.cpuUsage();
  nonDominationRanks(points);
  const { user } = process.cpuUsage(started);
  expect(user / 1_000).toBeLessThan(200);
});
