import type { TensorFlow } from "@millwright/tfjs";
import type { LayersModel, Tensor } from "../define-training.ts";
import { inputInvalid, precisionUnsupported } from "../errors.ts";
import { layersIn, type LayerWeight } from "../parallel/step-vector.ts";
import { checkLossScaling, type LossScaling } from "./loss-scale.ts";

/** Steps whose tensors have 16 bits, with weights and optimizer in 32. */
export interface MixedPrecision {
  readonly kind: "float16" | "bfloat16";
  /**
   * Computes in float32, and rounds weights, inputs, what each layer gives and their gradients to the kind: what 16 bits would do to the training, at the cost of 32
   * and more. No backend of TensorFlow.js 4.22 trains in 16 bits, so that without it a run is refused (`TRAINER_PRECISION_UNSUPPORTED`).
   */
  readonly simulated?: boolean | undefined;
  /** Default: on for `float16`, and false for `bfloat16`, whose exponents reach as far as float32's. */
  readonly lossScale?: LossScaling | false | undefined;
}

/** The scaling of the loss that goes with a precision; undefined for none. */
export function lossScalingOf(precision: MixedPrecision | undefined): LossScaling | undefined {
  if (precision === undefined) return undefined;
  const { kind, lossScale = kind === "float16" ? {} : false } = precision;
  return lossScale === false ? undefined : lossScale;
}

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkPrecision(precision: MixedPrecision): void {
  const { kind } = precision;
  if (kind !== "float16" && kind !== "bfloat16") throw inputInvalid("precision.kind", kind, '"float16" or "bfloat16"');
  checkLossScaling(lossScalingOf(precision) ?? {});
}

/** Rounds to the nearest number that the kind has, on the tensor's device; the gradient is rounded too. A value in the middle of two may go either way. */
export function roundTo(tf: TensorFlow, kind: MixedPrecision["kind"], tensor: Tensor): Tensor {
  const rounded = tf.customGrad((x: unknown) => ({
    value: kind === "float16" ? toFloat16(tf, x as Tensor) : cutTo(tf, x as Tensor, 8),
    gradFunc: (dy: Tensor) => (kind === "float16" ? toFloat16(tf, dy) : cutTo(tf, dy, 8)),
  }));
  return rounded(tensor);
}

/** Veltkamp's splitting (Dekker 1971): the upper part of a float32 number, of so many significant bits. */
function cutTo(tf: TensorFlow, x: Tensor, bits: number): Tensor {
  const moved = tf.mul(x, 2 ** (24 - bits) + 1);
  return tf.sub(moved, tf.sub(moved, x));
}

const smallestNormal = 2 ** -14;
const largest = 65_504;
/** Numbers around it are 2^-24 apart in float32, as the small ones of float16 are. */
const smallsApart = 0.75;

function toFloat16(tf: TensorFlow, x: Tensor): Tensor {
  const small = tf.sub(tf.add(x, smallsApart), smallsApart);
  const rounded = tf.where(tf.less(tf.abs(x), smallestNormal), small, cutTo(tf, x, 11));
  return tf.where(tf.greater(tf.abs(rounded), largest), tf.mul(rounded, Infinity), rounded);
}

type Call = LayersModel["layers"][number]["call"];

/**
 * From here on, what layers compute while learning is rounded; predictions stay as they are. Weights of batch normalization stay in float32. Throws
 * `TRAINER_PRECISION_UNSUPPORTED`.
 */
export function usePrecision(tf: TensorFlow, model: LayersModel, { kind, simulated = false }: MixedPrecision): void {
  if (!simulated) throw precisionUnsupported(kind, tf.getBackend());
  const round = (tensor: Tensor): Tensor => roundTo(tf, kind, tensor);
  const roundAll = <Given extends Tensor | Tensor[]>(given: Given): Given =>
    (Array.isArray(given) ? given.map(round) : round(given)) as Given;
  for (const layer of layersIn(model.layers)) {
    if ("layers" in layer || "layer" in layer) continue;
    const call = layer.call.bind(layer) as Call;
    layer.call = (inputs, kwargs) => {
      if (kwargs?.["training"] !== true) return call(inputs, kwargs);
      const weights = layer.getClassName() === "BatchNormalization" ? [] : layer.trainableWeights;
      return roundAll(withRounded(weights, round, () => call(roundAll(inputs), kwargs)));
    };
  }
}

/** Does something while weights read as rounded. */
function withRounded<Value>(
  weights: readonly LayerWeight[],
  round: (tensor: Tensor) => Tensor,
  work: () => Value,
): Value {
  const read = weights.map((weight) => weight.read.bind(weight));
  for (const [index, weight] of weights.entries())
    weight.read = () => round((read[index] as LayerWeight["read"])()) as ReturnType<LayerWeight["read"]>;
  try {
    return work();
  } finally {
    for (const weight of weights) delete (weight as { read?: unknown }).read; // what its class has shows again
  }
}
