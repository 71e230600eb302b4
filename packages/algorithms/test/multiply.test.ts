import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { addProduct } from "../src/autograd/multiply.ts";

const random = createRandom(21);
const draw = (size: number): Float64Array => Float64Array.from({ length: size }, () => random.normal());

test.each([
  [200, 20, 64],
  [33, 37, 21],
  [7, 200, 64],
  [64, 1, 50],
  [50, 64, 1],
  [3, 2, 2],
] as const)(
  "AM-4: products of matrices are the sums, and the same bits in WebAssembly and plain: %i by %i by %i",
  (rows, inner, columns) => {
    for (const [turnedA, turnedB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const a = { data: draw(rows * inner), rows, columns: inner, isTurned: turnedA };
      const b = { data: draw(inner * columns), rows: inner, columns, isTurned: turnedB };
      const start = draw(rows * columns);
      const [assembled, plain, wanted] = [start.slice(), start.slice(), start.slice()];
      addProduct(assembled, a, b);
      addProduct(plain, a, b, true);
      for (let row = 0; row < rows; row += 1)
        for (let column = 0; column < columns; column += 1)
          for (let at = 0; at < inner; at += 1) {
            const left = a.data[turnedA ? at * rows + row : row * inner + at]!;
            wanted[row * columns + column]! += left * b.data[turnedB ? column * inner + at : at * columns + column]!;
          }
      expect(assembled).toEqual(plain);
      const farthest = wanted.reduce((most, value, at) => Math.max(most, Math.abs(value - plain[at]!)), 0);
      // 200 roundings of products of a few units each.
      expect(farthest).toBeLessThan(1e-12);
    }
  },
);
