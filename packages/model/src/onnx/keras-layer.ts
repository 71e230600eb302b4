import { type Activation, activations } from "../activation.ts";
import { onnxUnsupported } from "../errors.ts";
import type { NetworkLayer, Sizes } from "./network-layer.ts";

/** A layer's configuration, as Keras writes it. */
export interface LayerConfig {
  readonly name: string;
  readonly [field: string]: unknown;
}

export interface LayerWeights {
  readonly shape: Sizes;
  readonly values: Float32Array;
}

export interface NamedLayer {
  readonly class_name: string;
  readonly config: LayerConfig;
}

/** What the conversion of one layer needs. */
interface LayerContext {
  readonly kind: string;
  readonly config: LayerConfig;
  /** A weight of the layer, by the last part of its name. Refuses the layer where there is none. */
  weight(name: string): LayerWeights;
  refuse(problem: string): never;
}

/** The layers in this package's terms. Throws `MODEL_ONNX_UNSUPPORTED`, naming the layer that is not written. */
export function layersOf(
  model: string,
  layers: readonly NamedLayer[],
  weights: ReadonlyMap<string, LayerWeights>,
): readonly NetworkLayer[] {
  return layers.flatMap(({ class_name: kind, config }) => {
    const refuse = (problem: string): never => {
      throw onnxUnsupported(
        `The layer "${config.name}" (${kind}) of the model "${model}"`,
        problem,
        "Chains of dense, convolution, pooling, batch normalization, reshaping and activation layers, channels last, are written.",
      );
    };
    if ((config["data_format"] ?? "channels_last") !== "channels_last" && config["data_format"] !== "channelsLast")
      refuse("its channels do not come last");
    const weight = (name: string): LayerWeights =>
      weights.get(`${config.name}/${name}`) ?? refuse(`its weight "${name}" is not in the file`);
    return layerOf({ kind, config, weight, refuse });
  });
}

const constructions: Readonly<Record<string, (context: LayerContext) => readonly NetworkLayer[]>> = {
  InputLayer: () => [],
  Dropout: () => [],
  SpatialDropout1D: () => [],
  GaussianNoise: () => [],
  GaussianDropout: () => [],
  AlphaDropout: () => [],
  Flatten: () => [{ kind: "flatten" }],
  Reshape: ({ config, refuse }) => {
    const shape = config["target_shape"] as Sizes;
    if (shape.some((size) => !(size > 0))) refuse("a size of its shape is left open");
    return [{ kind: "reshape", shape }];
  },
  Dense: (context) => [
    { kind: "dense", kernel: context.weight("kernel").values, bias: biasOf(context, Number(context.config["units"])) },
    ...activationOf(context),
  ],
  Conv1D: (context) => [...convolution(context, "kernel", false), ...activationOf(context)],
  Conv2D: (context) => [...convolution(context, "kernel", false), ...activationOf(context)],
  DepthwiseConv2D: (context) => [...convolution(context, "depthwise_kernel", true), ...activationOf(context)],
  SeparableConv2D: separable,
  MaxPooling1D: (context) => [pool(context, "max")],
  MaxPooling2D: (context) => [pool(context, "max")],
  AveragePooling1D: (context) => [pool(context, "average")],
  AveragePooling2D: (context) => [pool(context, "average")],
  GlobalMaxPooling1D: () => [{ kind: "globalPool", pool: "max" }],
  GlobalMaxPooling2D: () => [{ kind: "globalPool", pool: "max" }],
  GlobalAveragePooling1D: () => [{ kind: "globalPool", pool: "average" }],
  GlobalAveragePooling2D: () => [{ kind: "globalPool", pool: "average" }],
  BatchNormalization: (context) => [normalization(context)],
  Activation: (context) => activationOf(context),
  ReLU: ({ config, refuse }) => {
    const most = config["max_value"] ?? null;
    if (most !== null && most !== 6) refuse("its largest value is neither none nor 6");
    return [{ kind: "activation", activation: most === null ? "relu" : "relu6" }];
  },
  LeakyReLU: ({ config }) => [{ kind: "leakyRelu", slope: Number(config["alpha"] ?? 0.3) }],
  Softmax: ({ config }) => [{ kind: "softmax", axis: Number(config["axis"] ?? -1) }],
};

function layerOf(context: LayerContext): readonly NetworkLayer[] {
  const construct = Object.hasOwn(constructions, context.kind) ? constructions[context.kind] : undefined;
  return construct === undefined ? context.refuse("a layer of its kind is not written") : construct(context);
}

const biasOf = ({ config, weight }: LayerContext, units: number): Float32Array =>
  config["use_bias"] === false ? new Float32Array(units) : weight("bias").values;

function activationOf({ config, refuse }: LayerContext): readonly NetworkLayer[] {
  const said = (config["activation"] ?? "linear") as string;
  // Keras writes hard_sigmoid, and TensorFlow.js reads both.
  const name = said.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (name === "linear") return [];
  if (!Object.hasOwn(activations, name)) refuse(`its activation "${said}" is not written`);
  return [{ kind: "activation", activation: name as Activation }];
}

/** A size for each spatial axis, from one number or a list. */
const sizesOf = (value: unknown, axes: number): Sizes =>
  Array.isArray(value) ? (value as Sizes) : Array.from({ length: axes }, () => Number(value ?? 1));

function paddingOf({ config, refuse }: LayerContext): "same" | "valid" {
  const padding = config["padding"] ?? "valid";
  // TensorFlow.js has causal padding in its types alone.
  return padding === "same" || padding === "valid" ? padding : refuse("its padding is neither same nor valid");
}

function convolution(context: LayerContext, kernelName: string, depthwise: boolean): readonly NetworkLayer[] {
  const { config, weight } = context;
  const { shape, values } = weight(kernelName);
  const axes = shape.length - 2;
  const [inputs, outputs] = shape.slice(-2) as [number, number];
  return [
    {
      kind: "convolution",
      kernel: values,
      kernelShape: shape,
      depthwise,
      bias: biasOf(context, depthwise ? inputs * outputs : outputs),
      strides: sizesOf(config["strides"], axes),
      dilations: sizesOf(config["dilation_rate"], axes),
      padding: paddingOf(context),
    },
  ];
}

/** A depthwise convolution without a bias, and one of size 1 over its channels. */
function separable(context: LayerContext): readonly NetworkLayer[] {
  const { weight } = context;
  const bare = { ...context, config: { ...context.config, use_bias: false } };
  const pointwise = weight("pointwise_kernel");
  const filters = pointwise.shape.at(-1) as number;
  return [
    ...convolution(bare, "depthwise_kernel", true),
    {
      kind: "convolution",
      kernel: pointwise.values,
      kernelShape: pointwise.shape,
      depthwise: false,
      bias: biasOf(context, filters),
      strides: [1, 1],
      dilations: [1, 1],
      padding: "valid",
    },
    ...activationOf(context),
  ];
}

function pool(context: LayerContext, how: "max" | "average"): NetworkLayer {
  const { config, kind } = context;
  const axes = kind.endsWith("1D") ? 1 : 2;
  const sizes = sizesOf(config["pool_size"], axes);
  return {
    kind: "pool",
    pool: how,
    sizes,
    strides: sizesOf(config["strides"] ?? sizes, axes),
    padding: paddingOf(context),
  };
}

/** γ·(x − μ)/√(σ² + ε) + β as a scale and a shift of each channel (Ioffe and Szegedy, 2015, algorithm 2). */
function normalization({ config, weight, refuse }: LayerContext): NetworkLayer {
  const axis = Array.isArray(config["axis"]) ? (config["axis"] as Sizes)[0] : (config["axis"] ?? -1);
  if (axis !== -1 && axis !== 3) refuse("it is not over the last axis");
  const mean = weight("moving_mean").values;
  const variance = weight("moving_variance").values;
  const gamma = config["scale"] === false ? undefined : weight("gamma").values;
  const beta = config["center"] === false ? undefined : weight("beta").values;
  const epsilon = Number(config["epsilon"] ?? 1e-3);
  const scale = Float64Array.from(variance, (value, channel) => (gamma?.[channel] ?? 1) / Math.sqrt(value + epsilon));
  const shift = scale.map((value, channel) => (beta?.[channel] ?? 0) - (mean[channel] as number) * value);
  return { kind: "scale", scale, shift };
}
