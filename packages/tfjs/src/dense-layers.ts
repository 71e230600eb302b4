import type { CallOptions } from "@millwright/contracts";
import type { LayersModel } from "@tensorflow/tfjs-layers";

/** A dense layer as plain numbers; fits `DenseLayer` of `@millwright/model`. */
export interface PlainDenseLayer<Activation extends string = string> {
  /** [inputs, units], row-major. */
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
  readonly activation: Activation;
}

const activations = [
  "linear",
  "relu",
  "relu6",
  "elu",
  "selu",
  "sigmoid",
  "tanh",
  "softplus",
  "softsign",
  "swish",
  "softmax",
] as const;

/** Activations that mean the same in a plain dense network. */
export type PlainActivation = (typeof activations)[number];

interface Draft {
  readonly inputs: number;
  kernel: Float64Array;
  bias: Float64Array;
  activation: PlainActivation;
}

type Layer = LayersModel["layers"][number];

/** The values of each of the model's weights. */
type Weights = ReadonlyMap<Layer["weights"][number], Float64Array>;

/**
 * The model as a chain of dense layers, for serving without TensorFlow.js: dense, activation and ReLU layers as they are, batch normalization
 * folded into the dense layer before it, dropout and flattening of rows left out.
 * @returns `undefined` where the model is anything else: no chain, another kind of layer, an activation that a plain network does not have.
 */
export async function plainDenseLayers(
  model: LayersModel,
  { signal }: CallOptions = {},
): Promise<readonly PlainDenseLayer<PlainActivation>[] | undefined> {
  signal?.throwIfAborted();
  const [input] = model.inputs;
  const isChain = model.inputs.length === 1 && model.outputs.length === 1 && model.layers.every(isSingle);
  if (!isChain || input?.shape.length !== 2) return undefined;
  const values = await Promise.all(model.weights.map((weight) => weight.read().data()));
  signal?.throwIfAborted();
  const weights: Weights = new Map(
    model.weights.map((weight, index) => [weight, Float64Array.from(values[index] ?? [])]),
  );
  const drafts: Draft[] = [];
  for (const layer of model.layers) if (!append(drafts, layer, weights)) return undefined;
  if (drafts.length === 0) return undefined;
  return drafts.map(({ kernel, bias, activation }) => ({
    kernel: Float32Array.from(kernel),
    bias: Float32Array.from(bias),
    activation,
  }));
}

/** A layer used once, whose one output goes to one layer at most. */
const isSingle = (layer: Layer): boolean =>
  layer.inboundNodes.length <= 1 &&
  layer.outboundNodes.length <= 1 &&
  (layer.inboundNodes[0]?.inboundLayers.length ?? 0) <= 1;

/** Takes the layer into the chain; false where it does not fit one. */
function append(drafts: Draft[], layer: Layer, weights: Weights): boolean {
  switch (layer.getClassName()) {
    case "InputLayer":
    case "Dropout":
    case "GaussianNoise":
    case "GaussianDropout":
    case "AlphaDropout":
      return true;
    case "Flatten":
      return !Array.isArray(layer.outputShape[0]) && rankOf(layer.input) === 2;
    case "Dense":
      return appendDense(drafts, layer, weights);
    case "Activation":
      return setActivation(drafts, configured(layer, "activation"));
    case "ReLU":
      return configured(layer, "maxValue") == null && setActivation(drafts, "relu");
    case "BatchNormalization":
      return foldNormalization(drafts, layer, weights);
    default:
      return false;
  }
}

const rankOf = (tensor: Layer["input"]): number => (Array.isArray(tensor) ? -1 : tensor.shape.length);

const configured = (layer: Layer, key: string): unknown => (layer.getConfig() as Record<string, unknown>)[key];

const numbers = (layer: Layer, name: string, weights: Weights): Float64Array | undefined => {
  const found = layer.weights.find(({ originalName }) => originalName.split("/").at(-1) === name);
  return found === undefined ? undefined : weights.get(found);
};

function appendDense(drafts: Draft[], layer: Layer, weights: Weights): boolean {
  const kernel = numbers(layer, "kernel", weights);
  const units = configured(layer, "units") as number;
  if (kernel === undefined) return false;
  const bias = numbers(layer, "bias", weights) ?? new Float64Array(units);
  drafts.push({ inputs: kernel.length / units, kernel, bias, activation: "linear" });
  return setActivation(drafts, configured(layer, "activation") ?? "linear");
}

/** Gives the last layer the activation, once. */
function setActivation(drafts: readonly Draft[], activation: unknown): boolean {
  const last = drafts.at(-1);
  const known = activations.find((name) => name === activation);
  if (last === undefined || known === undefined || (last.activation !== "linear" && known !== "linear")) return false;
  if (known !== "linear") last.activation = known;
  return true;
}

/** Batch normalization y = γ·(x − μ)/√(σ² + ε) + β is a scale and a shift of each unit, as long as no activation stands between. */
function foldNormalization(drafts: readonly Draft[], layer: Layer, weights: Weights): boolean {
  const last = drafts.at(-1);
  const mean = numbers(layer, "moving_mean", weights);
  const variance = numbers(layer, "moving_variance", weights);
  if (last === undefined || last.activation !== "linear" || mean === undefined || variance === undefined) return false;
  const gamma = numbers(layer, "gamma", weights);
  const beta = numbers(layer, "beta", weights);
  const epsilon = configured(layer, "epsilon") as number;
  const scale = variance.map((value, unit) => (gamma?.[unit] ?? 1) / Math.sqrt(value + epsilon));
  const units = scale.length;
  last.kernel = last.kernel.map((value, at) => value * (scale[at % units] as number));
  last.bias = last.bias.map(
    (value, unit) => (value - (mean[unit] as number)) * (scale[unit] as number) + (beta?.[unit] ?? 0),
  );
  return true;
}
