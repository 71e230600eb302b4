import { activations } from "./activation.ts";
import type { LinearModel } from "./linear-model.ts";

/** Row by row, one number an output, into `answers`. A missing number makes a missing answer. */
export function predictLinear(
  { coefficients, intercepts, link }: Pick<LinearModel, "coefficients" | "intercepts" | "link">,
  columns: readonly Float64Array[],
  answers: Float64Array,
): void {
  const outputs = intercepts.length;
  const rows = answers.length / outputs;
  for (let output = 0; output < outputs; output += 1) {
    const weights = coefficients[output] as readonly number[];
    for (let row = 0; row < rows; row += 1) {
      let sum = intercepts[output] as number;
      for (let at = 0; at < weights.length; at += 1) sum += (weights[at] as number) * columns[at]![row]!;
      answers[row * outputs + output] =
        link === "logistic" ? 1 / (1 + Math.exp(-sum)) : link === "exponential" ? Math.exp(sum) : sum;
    }
  }
  if (link === "softmax")
    for (let at = 0; at < answers.length; at += outputs) activations.softmax(answers, at, at + outputs);
}
