import type { Tensor } from "@millwright/contracts";
import type { Explanation } from "../src/explain.ts";

/** Rows as a tensor; null is NaN. */
export const matrix = (rows: readonly (readonly (number | null)[])[]): Tensor => ({
  dtype: "float32",
  shape: [rows.length, rows[0]!.length],
  data: Float32Array.from(rows.flat(), (cell) => cell ?? Number.NaN),
});

/** The largest difference between the value and base + contributions. */
export function gap({ base, values, contributions, features, outputs, rows }: Explanation): number {
  const width = features.length;
  return Math.max(
    0,
    ...rows.flatMap((_, row) =>
      outputs.map((_output, output) => {
        const at = row * outputs.length + output;
        const sum = contributions
          .subarray(at * width, (at + 1) * width)
          .reduce((all, each) => all + each, base[output]!);
        return Math.abs(sum - values[at]!);
      }),
    ),
  );
}
