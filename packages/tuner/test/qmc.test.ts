import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { haltonSequence } from "../src/samplers/halton.ts";
import { sobolPoints, sobolSequence } from "../src/samplers/sobol.ts";

interface Row {
  readonly index: number;
  readonly point: readonly number[];
}

const golden = JSON.parse(readFileSync(new URL("golden/scipy-qmc.json", import.meta.url), "utf8")) as {
  readonly sobol: readonly Row[];
  readonly sobolLate: Row;
  readonly halton: readonly Row[];
};

test("the bare Sobol sequence is SciPy's, bit for bit, in 256 dimensions and far along", () => {
  const sequence = sobolSequence(256);
  for (const { index, point } of golden.sobol) {
    expect([...sequence.point(index)].map((value) => value * 2 ** 32)).toEqual(point);
  }
  const { index, point } = golden.sobolLate;
  expect([...sobolSequence(8).point(index)].map((value) => value * 2 ** 32)).toEqual(point);
});

test("the bare Halton sequence is SciPy's", () => {
  const sequence = haltonSequence(40);
  for (const { index, point } of golden.halton) {
    for (const [dimension, value] of sequence.point(index).entries()) {
      expect(value).toBeCloseTo(point[dimension] as number, 14);
    }
  }
});

test("scrambled Sobol points keep one point in every cell of each coordinate, and the elementary boxes of two", () => {
  const count = 256;
  const dimensions = 20;
  const points = sobolPoints(dimensions, count, createRandom(5));
  for (let dimension = 0; dimension < dimensions; dimension += 1) {
    const cells = new Set<number>();
    for (let index = 0; index < count; index += 1)
      cells.add(Math.floor((points[index * dimensions + dimension] as number) * count));
    expect(cells.size).toBe(count);
  }
  // The first two coordinates are a (0, 8, 2)-net: each box of 2^-a by 2^-(8-a) holds exactly one point.
  for (let bits = 0; bits <= 8; bits += 1) {
    const boxes = new Set<string>();
    for (let index = 0; index < count; index += 1) {
      const x = Math.floor((points[index * dimensions] as number) * 2 ** bits);
      const y = Math.floor((points[index * dimensions + 1] as number) * 2 ** (8 - bits));
      boxes.add(`${x} ${y}`);
    }
    expect(boxes.size).toBe(count);
  }
});

test("a scrambled point is uniform over the scramblings, and its bits are independent", () => {
  const draws = 4_000;
  for (const make of [sobolSequence, haltonSequence]) {
    const cells = new Float64Array(64);
    for (let seed = 0; seed < draws; seed += 1) {
      const [x = 0, y = 0] = make(2, createRandom(seed)).point(3);
      cells[Math.floor(x * 8) * 8 + Math.floor(y * 8)] = (cells[Math.floor(x * 8) * 8 + Math.floor(y * 8)] ?? 0) + 1;
    }
    let statistic = 0;
    for (const observed of cells) statistic += (observed - draws / 64) ** 2 / (draws / 64);
    // Chi-square with 63 degrees of freedom: the 0.999 quantile.
    expect(statistic).toBeLessThan(103.4);
  }
});

test("integrating a smooth function over scrambled points is far better than over random ones", () => {
  const dimensions = 5;
  const count = 1024;
  // Mean 1 over the cube.
  const integrand = (point: Float64Array): number => point.reduce((product, x) => product * (1 + (x - 0.5) * 0.8), 1);
  const error = (estimate: (seed: number) => number): number => {
    let square = 0;
    for (let seed = 0; seed < 20; seed += 1) square += (estimate(seed) - 1) ** 2;
    return Math.sqrt(square / 20);
  };
  const overRows = (pointOf: (index: number) => Float64Array): number => {
    let sum = 0;
    for (let index = 0; index < count; index += 1) sum += integrand(pointOf(index));
    return sum / count;
  };
  const random = error((seed) => {
    const stream = createRandom(seed);
    return overRows(() => Float64Array.from({ length: dimensions }, () => stream.next()));
  });
  const sobol = error((seed) => {
    const points = sobolPoints(dimensions, count, createRandom(seed));
    return overRows((index) => points.subarray(index * dimensions, (index + 1) * dimensions));
  });
  const halton = error((seed) => {
    const sequence = haltonSequence(dimensions, createRandom(seed));
    return overRows((index) => sequence.point(index));
  });
  expect(sobol).toBeLessThan(random / 30);
  expect(halton).toBeLessThan(random / 8);
});

test("beyond 256 dimensions the rest of a point is random, and the bare sequence says that it ends", () => {
  const point = sobolSequence(300, createRandom(1)).point(7);
  expect(new Set(point).size).toBe(300);
  expect(sobolSequence(300, createRandom(1)).point(7)).toEqual(point);
  expect(() => sobolSequence(300).point(0)).toThrow(RangeError);
});
