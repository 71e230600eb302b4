import type { LayersModel, Tensor } from "../define-training.ts";
import type { TensorCollection } from "./observation.ts";

interface Activation {
  apply(tensor: Tensor): Tensor;
  getClassName(): string;
}

interface WatchedLayer {
  readonly name: string;
  activation?: Activation | null;
  call(inputs: Tensor | Tensor[], options: object): Tensor | Tensor[];
  getClassName(): string;
}

type Keep = (collection: TensorCollection, name: string, tensor: Tensor) => void;

const linear: Activation = { apply: (tensor) => tensor, getClassName: () => "linear" };
const first = (tensors: Tensor | Tensor[]): Tensor => (Array.isArray(tensors) ? (tensors[0] as Tensor) : tensors);

function show(
  kind: string,
  name: string,
  { input, output }: Readonly<Record<"input" | "output", Tensor>>,
  keep: Keep,
): void {
  if (kind === "relu") {
    keep("relu_input", name, input);
    keep("relu_output", name, output);
  } else if (kind === "tanh" || kind === "sigmoid") keep(`${kind}_input`, name, input);
}

/** Has the layer show its activation's input and output. @returns what ends it. */
function watchLayer(layer: WatchedLayer, keep: Keep): (() => void) | undefined {
  const { activation } = layer;
  const original = layer.call;
  if (layer.getClassName() === "ReLU") {
    layer.call = function watched(inputs, options) {
      const outputs = original.call(layer, inputs, options);
      show("relu", layer.name, { input: first(inputs), output: first(outputs) }, keep);
      return outputs;
    };
  } else if (Object.hasOwn(layer, "activation") && activation != null) {
    layer.call = function watched(inputs, options) {
      // The layer's own result without its activation, which some kernels would do in one with it.
      layer.activation = linear;
      let input: Tensor;
      try {
        input = first(original.call(layer, inputs, options));
      } finally {
        layer.activation = activation;
      }
      const output = activation.apply(input);
      show(activation.getClassName(), layer.name, { input, output }, keep);
      return output;
    };
  } else return undefined;
  return () => {
    delete (layer as Partial<WatchedLayer>).call; // the class's own shows again
  };
}

/** Runs the model's forward pass, and hands over inputs and outputs of the activations on the way. */
export function watchActivations<Value>(model: LayersModel, forward: () => Value, keep: Keep): Value {
  const layers = model.layers as unknown as readonly WatchedLayer[];
  const ends = layers.map((layer) => watchLayer(layer, keep));
  try {
    return forward();
  } finally {
    for (const end of ends) end?.();
  }
}
