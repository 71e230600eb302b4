import { setImmediate } from "node:timers/promises";
import { type Dataset, type JsonValue, type Random, type Schema, createRandom } from "@millwright/contracts";
import {
  type FittedTransforms,
  type TransformPlan,
  compileTransforms,
  createDataset,
  fitTransforms,
  isNull,
} from "@millwright/data";
import { type DenseLayer, compileDense } from "@millwright/model";
import { columnUnfit, labelUnfit, notFinite } from "./errors.ts";
import { type MlpOptions, assertMlpOptions, mlpDefaults } from "./mlp-options.ts";
import {
  type Network,
  type NetworkRows,
  type Optimizer,
  adam,
  drawParameters,
  lossAndGradient,
  measure,
  pick,
  sgd,
} from "./mlp-steps.ts";
import { variable } from "./autograd/variable.ts";
import { type Labelled, readLabelled } from "./table.ts";

export interface FittedMlp {
  readonly algorithm: "mlp";
  /** What `writeDenseModel` and `compileDense` of `@millwright/model` take, in float32. */
  readonly layers: readonly DenseLayer[];
  /** From columns to the network's inputs. */
  readonly transforms: FittedTransforms;
  /** What each output is the probability of; empty but for `multiclass`. */
  readonly classes: readonly string[];
  /** What the model answers to the training rows, one number an output, row by row; equal to the bit to what it answers once packed and loaded. */
  readonly predictions: Float32Array;
  /** Mean loss of each epoch's steps, penalty included. Of numbers half the squared error, of the scaled labels. */
  readonly losses: readonly number[];
  /** After each epoch; empty without validation rows. */
  readonly validationLosses: readonly number[];
  /** Loss on the training rows, and on the validation rows where there are any: `trainLogLoss`, `validationRmse`, …; `epochs`. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
  readonly seed: number;
}

/**
 * Fits a multilayer perceptron by its own reverse-mode gradient, in double precision; the weights are rounded to float32 at the end. The same rows and options
 * give the same bits with the same engine. Reads all rows into memory. Yields to the event loop between steps, and heeds the signal there.
 * Throws `ALGORITHMS_COLUMN_UNFIT`, `ALGORITHMS_LABEL_UNFIT`, `ALGORITHMS_ROWS_UNFIT`, `ALGORITHMS_WEIGHT_UNFIT`, `ALGORITHMS_NOT_CONVERGED` where the loss is no
 * number any more, `DATA_COLUMN_MISSING`, what `fitTransforms` throws; a RangeError or TypeError for options.
 */
export async function fitMlp(dataset: Dataset, options: MlpOptions): Promise<FittedMlp> {
  assertMlpOptions(options);
  const { signal, label, task, validation, seed = mlpDefaults.seed } = options;
  signal?.throwIfAborted();
  const train = await readLabelled(dataset, "training", options);
  const held =
    validation === undefined ? undefined : await readLabelled(validation, "validation", options, train.classes);
  const seen = new Set(train.labels.filter((_, row) => train.weights?.[row] !== 0));
  if (task !== "regression" && (seen.size < 2 || (task === "multiclass" && seen.size < train.classes.length)))
    throw labelUnfit(label, "there are fewer than two classes, or one without a row that counts", "Give rows of each.");
  const { names, batch } = train;
  const plan = options.plan ?? planOf(train, options);
  const schema = dataset.schema.filter(({ name }) => names.includes(name));
  const transforms = await fitTransforms(plan, one(schema, batch), { signal });
  const scale = scaleOf(train, options);
  const rows = networkRows(train, transforms, scale);
  const random = createRandom(seed);
  const fit: Fit = {
    options,
    rows,
    held: held === undefined ? undefined : networkRows(held, transforms, scale),
    network: networkOf(rows, train.classes.length, options, random),
    random,
    scale,
  };
  return fitted(fit, train, transforms, await learn(fit));
}

const one = (schema: Schema, batch: Labelled["batch"]): Dataset =>
  createDataset({
    schema,
    async *walk() {
      yield batch;
    },
  });

/** Numbers scaled, with a mark where they are missing; one input a category. */
function planOf({ names, batch }: Labelled, { categorical = [] }: MlpOptions): TransformPlan {
  return names.map((name) => {
    const column = batch.columns[name]!;
    if (column.type === "utf8" || column.type === "dictionary" || categorical.includes(name))
      return { kind: "oneHot", column: name } as const;
    if (column.type === "list" || column.type === "binary")
      throw columnUnfit(
        name,
        `its type is ${column.type}`,
        "Make numbers or texts of it, or leave it out of the features.",
      );
    const isFloat = column.type === "float32" || column.type === "float64";
    const isMissing = (_: unknown, row: number): boolean =>
      isNull(column, row) || (isFloat && !Number.isFinite(column.values[row]!));
    const missingIndicator = Array.from({ length: column.length }).some(isMissing);
    return { kind: "numeric", column: name, missingIndicator } as const;
  });
}

/** How labels are seen by the network. */
interface Scale {
  readonly mean: number;
  readonly deviation: number;
}

function scaleOf({ labels, weights }: Labelled, { task, scaleLabels = true }: MlpOptions): Scale {
  if (task !== "regression" || !scaleLabels) return { mean: 0, deviation: 1 };
  let [total, mean, square] = [0, 0, 0];
  for (const [row, label] of labels.entries()) {
    const weight = weights?.[row] ?? 1;
    total += weight;
    mean += weight * label;
  }
  mean /= total;
  for (const [row, label] of labels.entries()) square += (weights?.[row] ?? 1) * (label - mean) ** 2;
  return { mean, deviation: Math.sqrt(square / total) || 1 };
}

const networkRows = (
  { rows, batch, labels, weights }: Labelled,
  transforms: FittedTransforms,
  scale: Scale,
): NetworkRows => ({
  rows,
  inputs: compileTransforms(transforms).batch(batch).data,
  labels: labels.map((label) => (label - scale.mean) / scale.deviation),
  weights,
});

interface Fit {
  readonly options: MlpOptions;
  readonly rows: NetworkRows;
  readonly held: NetworkRows | undefined;
  readonly network: Network;
  readonly random: Random;
  readonly scale: Scale;
}

function networkOf({ inputs, rows }: NetworkRows, classes: number, options: MlpOptions, random: Random): Network {
  const { task, hidden = mlpDefaults.hidden, activation = mlpDefaults.activation, initial } = options;
  const widths = [inputs.length / rows, ...hidden, task === "multiclass" ? classes : 1];
  if (initial === undefined)
    return { parameters: drawParameters(widths, activation, random.fork("weights")), activation, task };
  if (initial.length !== widths.length - 1)
    throw new RangeError(`initial has ${initial.length} layers, and the network ${widths.length - 1}.`);
  const parameters = initial.flatMap(({ kernel, bias }, layer) => {
    const units = widths[layer + 1]!;
    return [variable([widths[layer]!, units], Float64Array.from(kernel)), variable([units], Float64Array.from(bias))];
  });
  return { parameters, activation, task };
}

interface Learned {
  readonly losses: readonly number[];
  readonly validationLosses: readonly number[];
}

/** Goes through the rows, epoch by epoch. The network has the weights of the best epoch in the end. */
async function learn({ options, rows, held, network, random }: Fit): Promise<Learned> {
  const { epochs, earlyStopping = Infinity, learningRate, momentum, optimizer } = { ...mlpDefaults, ...given(options) };
  const update = optimizer === "adam" ? adam(learningRate) : sgd(learningRate, momentum);
  const losses: number[] = [];
  const validationLosses: number[] = [];
  let best: { readonly loss: number; readonly epoch: number; readonly weights: readonly Float64Array[] | undefined } = {
    loss: Infinity,
    epoch: 0,
    weights: undefined,
  };
  for (let epoch = 0; epoch < epochs && epoch - best.epoch < earlyStopping; epoch += 1) {
    const loss = await learnOnce({ options, rows, network, random: random.fork(epoch), update });
    if (!Number.isFinite(loss)) throw notFinite(epoch + 1);
    losses.push(loss);
    if (held !== undefined) {
      const last = measure(network, held);
      validationLosses.push(last);
      if (last < best.loss)
        best = { loss: last, epoch: epoch + 1, weights: network.parameters.map(({ data }) => data.slice()) };
    } else best = { ...best, epoch: epoch + 1 };
    options.onProgress?.({ epoch: epoch + 1, loss, validationLoss: validationLosses.at(-1) });
  }
  for (const [index, weights] of (best.weights ?? []).entries()) network.parameters[index]!.data.set(weights);
  return { losses, validationLosses };
}

/** The options that are not undefined. */
const given = (options: MlpOptions): Omit<Partial<MlpOptions>, keyof typeof mlpDefaults> & typeof mlpDefaults =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;

/** Rows after which the event loop gets its turn. */
const rowsInARow = 2000;

async function learnOnce({
  options,
  rows,
  network,
  random,
  update,
}: Pick<Fit, "network" | "options" | "random" | "rows"> & { readonly update: Optimizer }): Promise<number> {
  const { batchRows, shuffle, dropout, l2 } = { ...mlpDefaults, ...given(options) };
  const order = Int32Array.from({ length: rows.rows }, (_, row) => row);
  if (shuffle) shuffleInPlace(order, random.fork("order"));
  const chance = random.fork("dropout");
  let loss = 0;
  let since = 0;
  for (let from = 0; from < rows.rows; from += batchRows) {
    options.signal?.throwIfAborted();
    const batch = pick(rows, order.subarray(from, from + batchRows));
    const count = batch.labels.length;
    loss += count * lossAndGradient(network, batch, { dropout, l2, chance });
    update(network.parameters);
    since += count;
    if (since < rowsInARow) continue;
    since = 0;
    await setImmediate();
  }
  await setImmediate();
  options.signal?.throwIfAborted();
  return loss / rows.rows;
}

/** Fisher and Yates, as Durstenfeld (1964) has it. */
function shuffleInPlace(order: Int32Array, random: Random): void {
  for (let left = order.length - 1; left > 0; left -= 1) {
    const at = random.integer(left + 1);
    [order[left], order[at]] = [order[at]!, order[left]!];
  }
}

function fitted(fit: Fit, train: Labelled, transforms: FittedTransforms, learned: Learned): FittedMlp {
  const { options, rows, held, network, scale } = fit;
  const { task, label, weight, seed = mlpDefaults.seed } = options;
  const layers = layersOf(network, scale);
  const kernel = compileDense(layers);
  const predictions = new Float32Array(rows.rows * kernel.outputs);
  kernel.run(rows.inputs, rows.rows, predictions);
  const name = task === "regression" ? "Rmse" : "LogLoss";
  const score = (all: NetworkRows): number => measure(network, all) * (task === "regression" ? scale.deviation : 1);
  const {
    onProgress: _,
    validation: __,
    signal: ___,
    initial,
    plan,
    ...numbers
  } = { ...mlpDefaults, ...given(options) };
  const inWords = { ...numbers, plan: plan ?? [], initial: initial === undefined ? "drawn" : "given" };
  return {
    algorithm: "mlp",
    layers,
    transforms,
    classes: train.classes,
    predictions,
    ...learned,
    validationLosses: learned.validationLosses.map((loss) => (task === "regression" ? loss * scale.deviation : loss)),
    metrics: {
      [`train${name}`]: score(rows),
      ...(held === undefined ? {} : { [`validation${name}`]: score(held) }),
      epochs: learned.losses.length,
    },
    hyperparameters: {
      ...(inWords as unknown as Readonly<Record<string, JsonValue>>),
      label,
      task,
      features: train.names,
      classes: train.classes,
      ...(weight === undefined ? {} : { weight }),
    },
    seed,
  };
}

/** In float32; what labels were scaled by is taken back by the last layer. */
function layersOf({ parameters, activation, task }: Network, { mean, deviation }: Scale): readonly DenseLayer[] {
  const last = ({ binary: "sigmoid", multiclass: "softmax", regression: "linear" } as const)[task];
  return Array.from({ length: parameters.length / 2 }, (_, layer): DenseLayer => {
    const [kernel, bias] = [parameters[layer * 2]!.data, parameters[layer * 2 + 1]!.data];
    if (layer * 2 + 2 < parameters.length)
      return { kernel: Float32Array.from(kernel), bias: Float32Array.from(bias), activation };
    return {
      kernel: Float32Array.from(kernel, (value) => value * deviation),
      bias: Float32Array.from(bias, (value) => value * deviation + mean),
      activation: last,
    };
  });
}
