/** Columns standardized to mean 0 and deviation 1, and what is to be learned. */
export interface LinearProblem {
  readonly rows: number;
  readonly columns: readonly Float64Array[];
  /** Numbers; or positions of classes. */
  readonly labels: Float64Array;
  readonly weights: Float64Array | undefined;
  readonly outputs: number;
  readonly kind: "logistic" | "softmax" | "squared" | LogLink;
  /** By parameter: where the search begins. */
  readonly start: Float64Array;
  /** By parameter: each output's coefficients and then its intercept, whose penalties are 0. */
  readonly l1: Float64Array;
  readonly l2: Float64Array;
}

/** A loss of amounts whose mean is e to the sum. */
export interface LogLink {
  /** Half the deviance but for what the sum does not change, and its first and second derivative by the sum, at a label and a mean. */
  readonly loss: (label: number, mean: number) => number;
  readonly slope: (label: number, mean: number) => number;
  readonly curvature: (label: number, mean: number) => number;
}

/** Tweedie's losses (Jørgensen, 1987), whose variance is as the mean to the `power`: 1 is Poisson's, 2 the gamma distribution's. */
export function tweedieLink(power: number): LogLink {
  if (power === 1)
    return {
      loss: (label, mean) => mean - label * Math.log(mean),
      slope: (label, mean) => mean - label,
      curvature: (_, mean) => mean,
    };
  if (power === 2)
    return {
      loss: (label, mean) => Math.log(mean) + label / mean,
      slope: (label, mean) => 1 - label / mean,
      curvature: (label, mean) => label / mean,
    };
  const [high, low] = [2 - power, 1 - power];
  return {
    loss: (label, mean) => mean ** high / high - (label * mean ** low) / low,
    slope: (label, mean) => mean ** high - label * mean ** low,
    curvature: (label, mean) => high * mean ** high - low * label * mean ** low,
  };
}

/** Each row's sums by output, one output's rows after another's. */
export function sumsAt({ rows, columns, outputs }: LinearProblem, parameters: Float64Array): Float64Array {
  const sums = new Float64Array(rows * outputs);
  const width = columns.length + 1;
  for (let output = 0; output < outputs; output += 1) {
    const own = sums.subarray(output * rows, (output + 1) * rows);
    own.fill(parameters[output * width + columns.length] as number);
    for (const [index, column] of columns.entries()) {
      const weight = parameters[output * width + index] as number;
      if (weight !== 0) for (let row = 0; row < rows; row += 1) own[row]! += weight * column[row]!;
    }
  }
  return sums;
}

/** The loss of all rows and the penalties: half the squares, or log loss in nats, each row by its weight. */
export function objectiveAt(problem: LinearProblem, parameters: Float64Array): number {
  const { rows, labels, weights, outputs, kind, l1, l2 } = problem;
  const sums = sumsAt(problem, parameters);
  let total = 0;
  for (let row = 0; row < rows; row += 1) {
    const weight = weights === undefined ? 1 : weights[row]!;
    const label = labels[row]!;
    if (typeof kind === "object") total += weight * kind.loss(label, Math.exp(sums[row]!));
    else if (kind === "squared") total += (weight * (sums[row]! - label) ** 2) / 2;
    else if (kind === "logistic") {
      const away = label === 1 ? -sums[row]! : sums[row]!;
      total += weight * (Math.max(away, 0) + Math.log1p(Math.exp(-Math.abs(away))));
    } else {
      let largest = -Infinity;
      for (let output = 0; output < outputs; output += 1) largest = Math.max(largest, sums[output * rows + row]!);
      let powers = 0;
      for (let output = 0; output < outputs; output += 1) powers += Math.exp(sums[output * rows + row]! - largest);
      total += weight * (largest + Math.log(powers) - sums[label * rows + row]!);
    }
  }
  for (const [index, value] of parameters.entries())
    total += l1[index]! * Math.abs(value) + (l2[index]! * value * value) / 2;
  return total;
}

/** What the sums say: the prediction itself, or probabilities; in place of the sums. */
export function predictionsOf({ rows, outputs, kind }: LinearProblem, sums: Float64Array): Float64Array {
  if (typeof kind === "object") for (let row = 0; row < rows; row += 1) sums[row] = Math.exp(sums[row]!);
  if (kind === "logistic") for (let row = 0; row < rows; row += 1) sums[row] = 1 / (1 + Math.exp(-sums[row]!));
  if (kind !== "softmax") return sums;
  for (let row = 0; row < rows; row += 1) {
    let largest = -Infinity;
    for (let output = 0; output < outputs; output += 1) largest = Math.max(largest, sums[output * rows + row]!);
    let total = 0;
    for (let output = 0; output < outputs; output += 1) {
      const power = Math.exp(sums[output * rows + row]! - largest);
      sums[output * rows + row] = power;
      total += power;
    }
    for (let output = 0; output < outputs; output += 1) sums[output * rows + row]! /= total;
  }
  return sums;
}

/** The gradient of losses and L2, without L1. */
export function gradientAt(problem: LinearProblem, parameters: Float64Array, predictions: Float64Array): Float64Array {
  const { rows, columns, labels, weights, outputs, kind, l2 } = problem;
  const width = columns.length + 1;
  const gradient = parameters.map((value, index) => l2[index]! * value);
  const errors = new Float64Array(rows);
  for (let output = 0; output < outputs; output += 1) {
    const own = output * rows;
    for (let row = 0; row < rows; row += 1) {
      const wanted = kind === "softmax" ? (labels[row] === output ? 1 : 0) : labels[row]!;
      const answer = predictions[own + row]!;
      const slope = typeof kind === "object" ? kind.slope(wanted, answer) : answer - wanted;
      errors[row] = slope * (weights === undefined ? 1 : weights[row]!);
    }
    for (const [index, column] of columns.entries()) gradient[output * width + index]! += dot(errors, column);
    gradient[output * width + columns.length]! += errors.reduce((sum, error) => sum + error, 0);
  }
  return gradient;
}

/** The second derivatives by the parameters of two outputs into their block of the Hessian. */
export function fillHessianBlock(
  { rows, columns, labels, weights, outputs, kind }: LinearProblem,
  predictions: Float64Array,
  one: number,
  other: number,
  hessian: Float64Array,
): void {
  const width = columns.length + 1;
  const size = width * outputs;
  const curvature = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const p = predictions[one * rows + row]!;
    const q = predictions[other * rows + row]!;
    let own = kind === "squared" ? 1 : p * ((one === other ? 1 : 0) - q);
    if (typeof kind === "object") own = kind.curvature(labels[row]!, p);
    curvature[row] = own * (weights === undefined ? 1 : weights[row]!);
  }
  const ones = new Float64Array(rows).fill(1);
  const scaled = new Float64Array(rows);
  for (let a = 0; a < width; a += 1) {
    const column = columns[a] ?? ones;
    for (let row = 0; row < rows; row += 1) scaled[row] = curvature[row]! * column[row]!;
    for (let b = 0; b <= a; b += 1) {
      const value = dot(scaled, columns[b] ?? ones);
      for (const [x, y] of [
        [a, b],
        [b, a],
      ] as const) {
        hessian[(one * width + x) * size + other * width + y] = value;
        hessian[(other * width + y) * size + one * width + x] = value;
      }
    }
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < a.length; row += 1) sum += a[row]! * b[row]!;
  return sum;
}
