import {
  type LoadedModel,
  type ModelManifest,
  type ModelRuntime,
  type Tensor,
  type TensorSpec,
  modelCorrupt,
} from "@millwright/contracts";
import { type DenseKernel, compileDense } from "./dense-kernel.ts";
import { type DenseLayer, parseDenseModel } from "./dense-network.ts";
import { inputMismatch } from "./errors.ts";
import { readModelFile } from "./verified-files.ts";

/**
 * Serves packages of the format `dense` in TypeScript and the WebAssembly it assembles: no native code, no binary, and an answer at once, without a promise. Takes float32 and float64.
 * Throws `PORT_MODEL_CORRUPT` at load, `MODEL_INPUT_MISMATCH` at predict.
 */
export function denseRuntime(): ModelRuntime {
  return {
    formats: ["dense"],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      const kernel = compileDense(await readDenseLayers(directory, manifest, signal));
      return loadedDense(kernel, specs(directory, manifest, kernel));
    },
  };
}

/** The layers of a package of the format `dense`. Throws `PORT_MODEL_CORRUPT`. */
export async function readDenseLayers(
  directory: string,
  manifest: ModelManifest,
  signal: AbortSignal | undefined,
): Promise<readonly DenseLayer[]> {
  const read = async (name: string): Promise<Buffer> => {
    try {
      return await readModelFile(directory, manifest, name, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw modelCorrupt(directory, `${name} cannot be read`, error);
    }
  };
  const network = await read("network.json");
  const weights = await read("weights.bin");
  return parseDenseModel(directory, network.toString("utf8"), weights);
}

interface Specs {
  readonly input: TensorSpec;
  readonly output: TensorSpec;
}

/** The one input and the one output of the signature, once they are known to fit the network. */
function specs(directory: string, { signature }: ModelManifest, kernel: DenseKernel): Specs {
  const [input] = signature.inputs;
  const [output] = signature.outputs;
  const fits = (spec: TensorSpec | undefined, width: number): spec is TensorSpec =>
    spec?.dtype === "float32" && spec.shape.length === 2 && spec.shape[0] === -1 && spec.shape[1] === width;
  const single = signature.inputs.length === 1 && signature.outputs.length === 1;
  if (single && fits(input, kernel.inputs) && fits(output, kernel.outputs)) return { input, output };
  throw modelCorrupt(
    directory,
    `its signature is not one float32 input of shape [-1, ${kernel.inputs}] and one float32 output of shape [-1, ${kernel.outputs}]`,
  );
}

function loadedDense(kernel: DenseKernel, { input, output }: Specs): LoadedModel {
  return {
    memoryBytes: kernel.memoryBytes,
    predict(inputs, { signal } = {}) {
      signal?.throwIfAborted();
      const features = featuresOf(inputs[input.name], input, kernel.inputs);
      const rows = features.length / kernel.inputs;
      const data = new Float32Array(rows * kernel.outputs);
      kernel.run(features, rows, data);
      return { [output.name]: { dtype: "float32", shape: [rows, kernel.outputs], data } };
    },
    dispose: () => Promise.resolve(),
  };
}

/** Checked. Throws `MODEL_INPUT_MISMATCH`. */
export function featuresOf(
  given: Tensor | undefined,
  { name }: TensorSpec,
  width: number,
): Float32Array | Float64Array {
  const expected = `"${name}" as float32 or float64 of shape [rows, ${width}]`;
  if (given === undefined) throw inputMismatch(name, "it is missing", expected);
  const { dtype, shape, data } = given;
  if (dtype !== "float32" && dtype !== "float64") throw inputMismatch(name, `its type is ${dtype}`, expected);
  const fits = shape.length === 2 && shape[1] === width && data.length === (shape[0] ?? 0) * width;
  if (!fits) throw inputMismatch(name, `its shape is [${shape.join(", ")}] with ${data.length} numbers`, expected);
  return data;
}
