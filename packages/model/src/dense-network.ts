import { type ModelSignature, modelCorrupt } from "@millwright/contracts";
import { type Activation, activations, isActivation } from "./activation.ts";
import { layersInvalid } from "./errors.ts";

/** One layer: `activation(inputs · kernel + bias)`. */
export interface DenseLayer {
  /** [inputs, units], row-major, as Keras and TensorFlow.js keep it. */
  readonly kernel: ArrayLike<number>;
  /** [units]. */
  readonly bias: ArrayLike<number>;
  readonly activation: Activation;
}

export interface DenseModelOptions {
  /** The name of the input, float32 of shape [rows, inputs]. Default: `"features"`. */
  readonly input?: string | undefined;
  /** The name of the output, float32 of shape [rows, units of the last layer]. Default: `"prediction"`. */
  readonly output?: string | undefined;
}

export interface DenseModelFiles {
  /** `network.json` and `weights.bin`: what `packModel` takes. */
  readonly files: { readonly "network.json": Uint8Array; readonly "weights.bin": Uint8Array };
  readonly signature: ModelSignature;
}

interface NetworkJson {
  readonly formatVersion: 1;
  readonly inputs: number;
  readonly layers: readonly { readonly units: number; readonly activation: Activation }[];
}

/**
 * The files of a package of the format `dense`: the shape as JSON, and each layer's kernel and then its bias as little-endian float32, in
 * order, without gaps. Throws `MODEL_LAYERS_INVALID` where sizes do not fit or a number is not finite.
 */
export function writeDenseModel(
  layers: readonly DenseLayer[],
  { input = "features", output = "prediction" }: DenseModelOptions = {},
): DenseModelFiles {
  const inputs = checkedInputs(layers);
  const json: NetworkJson = {
    formatVersion: 1,
    inputs,
    layers: layers.map(({ bias, activation }) => ({ units: bias.length, activation })),
  };
  const numbers = layers.reduce((count, { kernel, bias }) => count + kernel.length + bias.length, 0);
  const weights = new DataView(new ArrayBuffer(numbers * 4));
  let at = 0;
  for (const value of layers.flatMap(({ kernel, bias }) => [...Array.from(kernel), ...Array.from(bias)])) {
    weights.setFloat32(at, value, true);
    at += 4;
  }
  const outputs = layers.at(-1)?.bias.length ?? 0;
  return {
    files: {
      "network.json": new TextEncoder().encode(JSON.stringify(json)),
      "weights.bin": new Uint8Array(weights.buffer),
    },
    signature: {
      inputs: [{ name: input, dtype: "float32", shape: [-1, inputs] }],
      outputs: [{ name: output, dtype: "float32", shape: [-1, outputs] }],
    },
  };
}

/** The number of inputs, once all layers are known to fit. Throws `MODEL_LAYERS_INVALID`. */
export function checkedInputs(layers: readonly DenseLayer[]): number {
  const [first] = layers;
  if (first === undefined) throw layersInvalid("there is none");
  const inputs = first.kernel.length / first.bias.length;
  let width = inputs;
  for (const [index, { kernel, bias, activation }] of layers.entries()) {
    if (bias.length === 0) throw layersInvalid(`layer ${index} has no units`);
    if (!isActivation(activation)) {
      throw layersInvalid(
        `layer ${index} has the activation "${String(activation)}", and known are ${Object.keys(activations).join(", ")}`,
      );
    }
    if (!Number.isInteger(width) || width < 1 || kernel.length !== width * bias.length) {
      throw layersInvalid(
        `layer ${index} has a kernel of ${kernel.length} numbers for ${width} inputs and ${bias.length} units`,
      );
    }
    if (!areFinite(kernel) || !areFinite(bias))
      throw layersInvalid(`layer ${index} has a weight that is not a finite float32`);
    width = bias.length;
  }
  return inputs;
}

/** Whether each is finite as a float32; a place that is empty is not. */
function areFinite(values: ArrayLike<number>): boolean {
  for (let at = 0; at < values.length; at += 1) if (!Number.isFinite(Math.fround(values[at] as number))) return false;
  return true;
}

/** The layers of a package of the format `dense`, as views of `weights` copied. Throws `PORT_MODEL_CORRUPT`. */
export function parseDenseModel(what: string, network: string, weights: Uint8Array): readonly DenseLayer[] {
  const json = parseNetwork(what, network);
  const sizes = json.layers.map(({ units }, index) => ({
    units,
    inputs: index === 0 ? json.inputs : (json.layers[index - 1]?.units ?? 0),
  }));
  const numbers = sizes.reduce((count, { inputs, units }) => count + inputs * units + units, 0);
  if (weights.length !== numbers * 4) {
    throw modelCorrupt(what, `weights.bin has ${weights.length} bytes, and its layers take ${numbers * 4}`);
  }
  const view = new DataView(weights.buffer, weights.byteOffset, weights.byteLength);
  let at = 0;
  const take = (count: number): Float32Array => {
    const taken = new Float32Array(count);
    for (let index = 0; index < count; index += 1, at += 4) taken[index] = view.getFloat32(at, true);
    return taken;
  };
  return sizes.map(({ inputs, units }, index) => ({
    kernel: take(inputs * units),
    bias: take(units),
    activation: json.layers[index]?.activation ?? "linear",
  }));
}

function parseNetwork(what: string, text: string): NetworkJson {
  let json: Partial<NetworkJson> | null;
  try {
    json = JSON.parse(text) as Partial<NetworkJson> | null;
  } catch (error) {
    throw modelCorrupt(what, "network.json is not JSON", error);
  }
  if (json?.formatVersion !== 1) {
    throw modelCorrupt(
      what,
      `network.json has the formatVersion ${String(json?.formatVersion)}, and this release reads 1`,
    );
  }
  const { inputs, layers } = json;
  const size = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0;
  const fits =
    size(inputs) &&
    Array.isArray(layers) &&
    layers.length > 0 &&
    layers.every(
      (layer: Partial<NetworkJson["layers"][number]>) => size(layer.units) && isActivation(layer.activation),
    );
  if (!fits) throw modelCorrupt(what, "network.json does not describe layers with units and known activations");
  return json as NetworkJson;
}
