import type { Random } from "@millwright/contracts";
import type { Activation } from "@millwright/model";
import { activate } from "./autograd/activations.ts";
import { dense, dropout } from "./autograd/basic-ops.ts";
import { meanSquaredError, sigmoidCrossEntropy, softmaxCrossEntropy } from "./autograd/losses.ts";
import { type Variable, backward, constant, variable } from "./autograd/variable.ts";

/** A network in training. */
export interface Network {
  /** Kernel and bias of each layer, in turns. */
  readonly parameters: readonly Variable[];
  readonly activation: Activation;
  readonly task: "binary" | "multiclass" | "regression";
}

/** Rows as a network takes them. */
export interface NetworkRows {
  readonly rows: number;
  /** [rows, width]. */
  readonly inputs: Float32Array;
  readonly labels: Float64Array;
  readonly weights: Float64Array | undefined;
}

/** Glorot and Bengio (2010), equation 16, for kernel and bias alike, as scikit-learn does. */
export function drawParameters(widths: readonly number[], activation: Activation, random: Random): Variable[] {
  return widths.slice(1).flatMap((units, layer) => {
    const inputs = widths[layer]!;
    const bound = Math.sqrt((activation === "sigmoid" ? 2 : 6) / (inputs + units));
    const draw = (count: number): Float64Array =>
      Float64Array.from({ length: count }, () => (2 * random.next() - 1) * bound);
    return [variable([inputs, units], draw(inputs * units)), variable([units], draw(units))];
  });
}

/** The sums of the last layer. @param chance What to draw dropout from; without it nothing is left out. */
function sumsOf(
  { parameters, activation }: Network,
  inputs: Variable,
  rate: number,
  chance: Random | undefined,
): Variable {
  let values = inputs;
  for (let at = 0; at < parameters.length; at += 2) {
    values = dense(values, parameters[at]!, parameters[at + 1]!);
    if (at + 2 === parameters.length) break;
    values = activate(values, activation);
    if (chance !== undefined && rate > 0) values = dropout(values, rate, chance);
  }
  return values;
}

function lossOf({ task }: Network, sums: Variable, labels: Float64Array, weights: Float64Array | undefined): Variable {
  if (task === "binary") return sigmoidCrossEntropy(sums, labels, weights);
  if (task === "multiclass") return softmaxCrossEntropy(sums, labels, weights);
  return meanSquaredError(sums, labels, weights);
}

/** Some rows. */
export interface NetworkBatch {
  readonly inputs: Variable;
  readonly labels: Float64Array;
  readonly weights: Float64Array | undefined;
}

/** The rows at these places. */
export function pick({ rows, inputs, labels, weights }: NetworkRows, places: Int32Array): NetworkBatch {
  const width = inputs.length / rows;
  const data = new Float64Array(places.length * width);
  const picked = new Float64Array(places.length);
  const counts = weights === undefined ? undefined : new Float64Array(places.length);
  for (const [at, place] of places.entries()) {
    for (let column = 0; column < width; column += 1) data[at * width + column] = inputs[place * width + column]!;
    picked[at] = labels[place]!;
    if (counts !== undefined && weights !== undefined) counts[at] = weights[place]!;
  }
  return { inputs: constant([places.length, width], data), labels: picked, weights: counts };
}

export interface StepOptions {
  readonly dropout: number;
  readonly l2: number;
  readonly chance: Random;
}

/**
 * The loss of some rows, penalty included, with its gradient in the parameters. As in scikit-learn: half the squared error for numbers, and l2 / 2 · Σ w² over
 * the rows of the batch, biases left out.
 */
export function lossAndGradient(
  network: Network,
  batch: NetworkBatch,
  { dropout: rate, l2, chance }: StepOptions,
): number {
  const sums = sumsOf(network, batch.inputs, rate, chance);
  const loss = lossOf(network, sums, batch.labels, batch.weights);
  backward(loss);
  const scale = network.task === "regression" ? 0.5 : 1;
  const share = l2 / batch.labels.length;
  let penalty = 0;
  for (const [index, { data, gradient }] of network.parameters.entries()) {
    const decay = index % 2 === 0 ? share : 0;
    for (let at = 0; at < data.length; at += 1) {
      gradient[at] = scale * gradient[at]! + decay * data[at]!;
      penalty += decay * data[at]! * data[at]!;
    }
  }
  return scale * loss.data[0]! + penalty / 2;
}

/** Log loss in nats or root mean square error of all rows, without penalty and dropout. */
export function measure(network: Network, all: NetworkRows): number {
  let [loss, total] = [0, 0];
  for (let from = 0; from < all.rows; from += 1024) {
    const places = Int32Array.from({ length: Math.min(1024, all.rows - from) }, (_, at) => from + at);
    const batch = pick(all, places);
    const weight = batch.weights?.reduce((sum, each) => sum + each, 0) ?? places.length;
    loss += weight * lossOf(network, sumsOf(network, batch.inputs, 0, undefined), batch.labels, batch.weights).data[0]!;
    total += weight;
  }
  return network.task === "regression" ? Math.sqrt(loss / total) : loss / total;
}

/** Changes parameters by their gradients. */
export type Optimizer = (parameters: readonly Variable[]) => void;

/** Adam (Kingma and Ba, 2015, algorithm 1, with the step size of section 2), β1 = 0.9, β2 = 0.999, ε = 1e-8. */
export function adam(learningRate: number): Optimizer {
  let steps = 0;
  const moments = new Map<Variable, readonly [Float64Array, Float64Array]>();
  return (parameters) => {
    steps += 1;
    const rate = (learningRate * Math.sqrt(1 - 0.999 ** steps)) / (1 - 0.9 ** steps);
    for (const parameter of parameters) {
      const { data, gradient } = parameter;
      const held = moments.get(parameter) ?? [new Float64Array(data.length), new Float64Array(data.length)];
      moments.set(parameter, held);
      const [mean, square] = held;
      for (let at = 0; at < data.length; at += 1) {
        const slope = gradient[at]!;
        mean[at] = 0.9 * mean[at]! + (1 - 0.9) * slope;
        square[at] = 0.999 * square[at]! + (1 - 0.999) * slope * slope;
        data[at]! -= (rate * mean[at]!) / (Math.sqrt(square[at]!) + 1e-8);
      }
    }
  };
}

/** Stochastic gradient descent with Nesterov's momentum (Sutskever and others, 2013). */
export function sgd(learningRate: number, momentum: number): Optimizer {
  const velocities = new Map<Variable, Float64Array>();
  return (parameters) => {
    for (const parameter of parameters) {
      const { data, gradient } = parameter;
      const velocity = velocities.get(parameter) ?? new Float64Array(data.length);
      velocities.set(parameter, velocity);
      for (let at = 0; at < data.length; at += 1) {
        const step = learningRate * gradient[at]!;
        velocity[at] = momentum * velocity[at]! - step;
        data[at]! += momentum * velocity[at]! - step;
      }
    }
  };
}
