import type { LayersModel, Tensor } from "../define-training.ts";
import { parallelUnfit } from "../errors.ts";

/** A layer's variable, as TensorFlow.js keeps it. */
export type LayerWeight = LayersModel["weights"][number];
type Layer = LayersModel["layers"][number];

/** Where a tensor's numbers lie in a vector. */
interface Place {
  readonly weight: LayerWeight;
  readonly offset: number;
  readonly size: number;
}

/** How a step's results lie in one vector: the mean loss, the gradients of all trainable weights, and moving statistics. */
export interface VectorLayout {
  readonly gradients: readonly Place[];
  readonly moving: readonly Place[];
  readonly length: number;
}

const sizeOf = (weight: LayerWeight): number => weight.shape.reduce<number>((size, width) => size * (width ?? 1), 1);

/** Layers, those in layers among them. */
export function layersIn(layers: readonly Layer[]): readonly Layer[] {
  return layers.flatMap((layer) => {
    const { layers: inner, layer: wrapped } = layer as unknown as { layers?: readonly Layer[]; layer?: Layer };
    return [layer, ...layersIn(inner ?? []), ...(wrapped === undefined ? [] : layersIn([wrapped]))];
  });
}

/** Throws `TRAINER_PARALLEL_UNFIT` where a layer carries something from batch to batch. */
export function vectorLayout(model: LayersModel): VectorLayout {
  const layers = layersIn(model.layers);
  const stateful = layers.find((layer) => layer.stateful);
  if (stateful !== undefined)
    throw parallelUnfit(`its layer "${stateful.name}" is stateful, and what it carries on cannot be merged`);
  let length = 1;
  const place = (weight: LayerWeight): Place => {
    const size = sizeOf(weight);
    length += size;
    return { weight, offset: length - size, size };
  };
  const gradients = model.trainableWeights.map(place);
  const moving = layers
    .filter((layer) => layer.getClassName() === "BatchNormalization")
    .flatMap((layer) => {
      const { movingMean, movingVariance } = layer as unknown as Readonly<Record<string, LayerWeight>>;
      return [movingMean, movingVariance].filter((weight) => weight !== undefined);
    })
    .map(place);
  return { gradients, moving, length };
}

/** Numbers that all weights of a model are. */
export const weightCount = (model: LayersModel): number =>
  model.weights.reduce((count, weight) => count + sizeOf(weight), 0);

/** Writes all weights one after another. */
export async function copyWeights(model: LayersModel, target: Float32Array): Promise<void> {
  let offset = 0;
  for (const weight of model.weights) {
    const data = await weight.read().data();
    target.set(data as Float32Array, offset);
    offset += data.length;
  }
}

/** Gives a model the weights that `copyWeights` wrote. @param tensor Makes a tensor of a copy. */
export function takeWeights(
  model: LayersModel,
  source: Float32Array,
  tensor: (data: Float32Array, shape: readonly number[]) => Tensor,
): void {
  let offset = 0;
  for (const weight of model.weights) {
    const size = sizeOf(weight);
    const value = tensor(source.slice(offset, offset + size), weight.shape as readonly number[]);
    weight.write(value);
    value.dispose();
    offset += size;
  }
}
