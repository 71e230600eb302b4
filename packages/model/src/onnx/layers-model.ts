import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { modelCorrupt } from "@millwright/contracts";
import { type LayerConfig, layersOf, type LayerWeights } from "./keras-layer.ts";
import type { Network, Sizes } from "./network-layer.ts";
import { onnxUnsupported } from "../errors.ts";

interface WeightEntry {
  readonly name: string;
  readonly shape: Sizes;
  readonly dtype: string;
  readonly quantization?: unknown;
}

interface ModelJson {
  readonly modelTopology: {
    readonly class_name?: string;
    readonly config?: { readonly layers?: readonly KerasLayer[] } | readonly KerasLayer[];
    readonly model_config?: ModelJson["modelTopology"];
  };
  readonly weightsManifest: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightEntry[] }[];
}

interface KerasLayer {
  readonly class_name: string;
  readonly config: LayerConfig;
  readonly inbound_nodes?: readonly (readonly (readonly [string, ...unknown[]])[])[];
}

/**
 * The network of a package of the format `tfjs-layers`, read without TensorFlow.js, where it is a chain of dense, convolution, pooling, normalization,
 * reshaping and activation layers. Throws `PORT_MODEL_CORRUPT`, and `MODEL_ONNX_UNSUPPORTED` naming the layer that is none of these.
 */
export async function readLayersModel(
  directory: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Network> {
  const { json, weights } = await readFiles(directory, signal);
  const topology = json.modelTopology.model_config ?? json.modelTopology;
  const layers = chainOf(name, topology);
  const shape = inputShapeOf(layers[0]?.config);
  if (shape === undefined)
    throw onnxUnsupported(
      `The model "${name}"`,
      "its first layer does not say its sizes",
      "Give it an `inputShape` of numbers.",
    );
  return { inputShape: shape, layers: layersOf(name, layers, weights) };
}

async function readFiles(
  directory: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly json: ModelJson; readonly weights: ReadonlyMap<string, LayerWeights> }> {
  try {
    const json = JSON.parse(await readFile(join(directory, "model.json"), { encoding: "utf8", signal })) as ModelJson;
    const weights = new Map<string, LayerWeights>();
    for (const { paths, weights: entries } of json.weightsManifest) {
      const parts = await Promise.all(paths.map((path) => readFile(join(directory, path), { signal })));
      takeWeights(weights, entries, Buffer.concat(parts));
    }
    if (json.modelTopology === undefined) throw new TypeError("There is no topology.");
    return { json, weights };
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt(directory, "model.json and its weights cannot be read", error);
  }
}

/** Weights stand one after another, in the manifest's order, little-endian. */
function takeWeights(weights: Map<string, LayerWeights>, entries: readonly WeightEntry[], bytes: Buffer): void {
  let at = 0;
  for (const { name, shape, dtype, quantization } of entries) {
    if (dtype !== "float32" || quantization !== undefined)
      throw new TypeError(`The weight ${name} is no plain float32.`);
    const length = shape.reduce((size, each) => size * each, 1);
    if (at + length * 4 > bytes.length) throw new RangeError(`The weight ${name} goes on behind the end of its file.`);
    const values = Float32Array.from({ length }, (_, index) => bytes.readFloatLE(at + index * 4));
    weights.set(name, { shape, values });
    at += length * 4;
  }
}

/** Old files of a sequence have the layers themselves as its configuration. */
const isList = (config: ModelJson["modelTopology"]["config"]): config is readonly KerasLayer[] => Array.isArray(config);

/** Layers in their order, each of which takes what the one before gives. */
function chainOf(name: string, { class_name: kind, config }: ModelJson["modelTopology"]): readonly KerasLayer[] {
  const layers = isList(config) ? config : (config?.layers ?? []);
  if (layers.length === 0)
    throw onnxUnsupported(`The model "${name}"`, "it has no layers", "Save a model with layers.");
  if (kind === "Sequential") return layers;
  const stray = layers.find((layer, index) => {
    const sources = (layer.inbound_nodes ?? []).flat().map(([source]) => source);
    return index === 0 ? sources.length > 0 : sources.length !== 1 || sources[0] !== layers[index - 1]?.config.name;
  });
  if (stray === undefined) return layers;
  throw onnxUnsupported(
    `The layer "${stray.config.name}" of the model "${name}"`,
    "it does not take what the one layer before it gives",
    "Only chains of layers are written.",
  );
}

function inputShapeOf(config: LayerConfig | undefined): Sizes | undefined {
  const shape = (config?.["batch_input_shape"] ?? config?.["batchInputShape"]) as
    | readonly (number | null)[]
    | undefined;
  const sizes = shape?.slice(1);
  return sizes === undefined || sizes.some((size) => size === null) ? undefined : (sizes as Sizes);
}
