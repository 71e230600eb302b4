/** Makes probabilities of each row's sums, in place, as the runtimes of `@millwright/model` do: shifted by the largest, which keeps the exponentials finite. */
export function softmaxRows(values: Float64Array, outputs: number): void {
  for (let start = 0; start < values.length; start += outputs) {
    let largest = -Infinity;
    for (let at = start; at < start + outputs; at += 1) largest = Math.max(largest, values[at]!);
    let total = 0;
    for (let at = start; at < start + outputs; at += 1) {
      const power = Math.exp(values[at]! - largest);
      values[at] = power;
      total += power;
    }
    for (let at = start; at < start + outputs; at += 1) values[at]! /= total;
  }
}
