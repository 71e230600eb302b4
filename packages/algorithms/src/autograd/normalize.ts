import { type Variable, assertVariable, gradientOf, result, wantShape } from "./variable.ts";

/** How numbers are put into groups that share a mean and a variance. */
interface Groups {
  readonly count: number;
  readonly groupOf: (at: number) => number;
}

/** Whatever is normalized, (x − mean) / √(variance + ε), with the variance's divisor `count`. */
function normalize(
  inputs: Variable,
  gamma: Variable,
  beta: Variable,
  epsilon: number,
  { count, groupOf }: Groups,
): Variable & { readonly means: Float64Array; readonly variances: Float64Array } {
  const { data: x } = inputs;
  const width = inputs.shape.at(-1) ?? 1;
  wantShape("gamma", gamma, [width]);
  wantShape("beta", beta, [width]);
  if (!(epsilon > 0)) throw new RangeError(`epsilon must be above 0, not ${epsilon}.`);
  const members = x.length / count;
  const [means, variances] = [new Float64Array(count), new Float64Array(count)];
  for (let at = 0; at < x.length; at += 1) means[groupOf(at)]! += x[at]! / members;
  for (let at = 0; at < x.length; at += 1) variances[groupOf(at)]! += (x[at]! - means[groupOf(at)]!) ** 2 / members;
  const scales = variances.map((variance) => 1 / Math.sqrt(variance + epsilon));
  const standard = x.map((value, at) => (value - means[groupOf(at)]!) * scales[groupOf(at)]!);
  const data = standard.map((value, at) => value * gamma.data[at % width]! + beta.data[at % width]!);
  const output = result(inputs.shape, data, [inputs, gamma, beta], (gradient) => {
    const [toInputs, toGamma, toBeta] = [gradientOf(inputs), gradientOf(gamma), gradientOf(beta)];
    if (toBeta !== undefined) for (let at = 0; at < x.length; at += 1) toBeta[at % width]! += gradient[at]!;
    if (toGamma !== undefined)
      for (let at = 0; at < x.length; at += 1) toGamma[at % width]! += gradient[at]! * standard[at]!;
    if (toInputs === undefined) return;
    // Ioffe and Szegedy (2015), section 3, put together.
    const slopes = gradient.map((slope, at) => slope * gamma.data[at % width]!);
    const [sums, products] = [new Float64Array(count), new Float64Array(count)];
    for (let at = 0; at < x.length; at += 1) {
      sums[groupOf(at)]! += slopes[at]!;
      products[groupOf(at)]! += slopes[at]! * standard[at]!;
    }
    for (let at = 0; at < x.length; at += 1) {
      const group = groupOf(at);
      toInputs[at]! += scales[group]! * (slopes[at]! - (sums[group]! + standard[at]! * products[group]!) / members);
    }
  });
  return Object.assign(output, { means, variances });
}

/**
 * Batch normalization in training (Ioffe and Szegedy, 2015): each channel, the last axis, has mean 0 and variance 1 over all others. `means` and `variances`
 * are the batch's, by channel, for moving averages. Default of epsilon: 0.001, as in Keras.
 */
export const batchNormalize = (
  inputs: Variable,
  gamma: Variable,
  beta: Variable,
  epsilon = 1e-3,
): Variable & { readonly means: Float64Array; readonly variances: Float64Array } => {
  assertVariable("The inputs", inputs);
  const width = inputs.shape.at(-1) ?? 1;
  return normalize(inputs, gamma, beta, epsilon, { count: width, groupOf: (at) => at % width });
};

/** Layer normalization (Ba, Kiros and Hinton, 2016): each row has mean 0 and variance 1 over the last axis. Default of epsilon: 0.001, as in Keras. */
export const layerNormalize = (inputs: Variable, gamma: Variable, beta: Variable, epsilon = 1e-3): Variable => {
  assertVariable("The inputs", inputs);
  const width = inputs.shape.at(-1) ?? 1;
  const { shape, data } = inputs;
  const groups = { count: data.length / width, groupOf: (at: number) => Math.floor(at / width) };
  if (shape.length === 0) throw new RangeError("The inputs must have an axis.");
  return normalize(inputs, gamma, beta, epsilon, groups);
};
