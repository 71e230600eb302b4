import type {
  LoadedModel,
  ModelManifest,
  ModelRuntime,
  Tensor as PlainTensor,
  TensorSpec,
  Tensors,
} from "@millwright/contracts";
import { modelCorrupt } from "@millwright/contracts";
import type { DataTypeMap, Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { inputMismatch, tensorUnsupported } from "./errors.ts";
import { loadLayersModel } from "./layers-model-files.ts";
import type { Tfjs } from "./open-tfjs.ts";
import type { TensorFlow } from "./tensorflow.ts";

/**
 * Serves packages of the format `tfjs-layers`. The signature's inputs and outputs are the model's, in the model's order. Answers at once,
 * without a promise, but on WebGPU, which has no other way. Throws, at predict, `TFJS_INPUT_MISMATCH` and `TFJS_TENSOR_UNSUPPORTED`.
 */
export function tfjsRuntime(tfjs: Tfjs): ModelRuntime {
  return {
    formats: ["tfjs-layers"],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      const model = await loadLayersModel(tfjs, directory, { signal });
      checkArity(directory, manifest, model);
      return loaded(tfjs.tf, model, manifest);
    },
  };
}

function checkArity(directory: string, { signature }: ModelManifest, model: LayersModel): void {
  const counts = [
    ["inputs", signature.inputs.length, model.inputs.length],
    ["outputs", signature.outputs.length, model.outputs.length],
  ] as const;
  for (const [what, promised, real] of counts) {
    if (promised === real) continue;
    model.dispose();
    throw modelCorrupt(directory, `its signature names ${promised} ${what}, and the model has ${real}`);
  }
}

function loaded(tf: TensorFlow, model: LayersModel, { signature }: ModelManifest): LoadedModel {
  let held = true;
  const memoryBytes = model.weights.reduce(
    (bytes, weight) => bytes + weight.shape.reduce<number>((size, dimension) => size * (dimension ?? 1), 4),
    0,
  );
  return {
    memoryBytes,
    predict(inputs, { signal } = {}) {
      signal?.throwIfAborted();
      const answers = tf.tidy(() => {
        const given = signature.inputs.map((spec) => toTensor(tf, spec, inputs[spec.name]));
        const answer = model.predict(given.length === 1 ? (given[0] as Tensor) : given);
        return Array.isArray(answer) ? answer : [answer];
      });
      if (tf.getBackend() === "webgpu") return awaited(tf, signature.outputs, answers);
      const outputs = fromTensors(
        signature.outputs,
        answers,
        answers.map((answer) => answer.dataSync()),
      );
      tf.dispose(answers);
      return outputs;
    },
    dispose() {
      if (held) model.dispose();
      held = false;
      return Promise.resolve();
    },
  };
}

const describe = (spec: TensorSpec): string => `"${spec.name}" as ${spec.dtype} of shape [${spec.shape.join(", ")}]`;

/** The plain tensor as one of TensorFlow.js; its shape must be that of the signature, where −1 is any size. */
function toTensor(tf: TensorFlow, spec: TensorSpec, given: PlainTensor | undefined): Tensor {
  if (given === undefined) throw inputMismatch(spec.name, "it is missing", describe(spec));
  const { dtype, shape, data } = given;
  const fits =
    shape.length === spec.shape.length && spec.shape.every((size, axis) => size === -1 || size === shape[axis]);
  if (!fits) throw inputMismatch(spec.name, `its shape is [${shape.join(", ")}]`, describe(spec));
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0))
    throw inputMismatch(spec.name, "its shape is not of whole numbers", describe(spec));
  const length = shape.reduce((size, each) => size * each, 1);
  if (!(ArrayBuffer.isView(data) || Array.isArray(data)) || data.length !== length)
    throw inputMismatch(spec.name, `its data are not ${length} values in a typed array or a list`, describe(spec));
  switch (dtype) {
    case "float32":
    case "int32":
    case "bool":
      return tf.tensor(data, [...shape], dtype);
    case "float64":
      return tf.tensor(Float32Array.from(data), [...shape], "float32");
    case "int8":
    case "int16":
    case "uint8":
    case "uint16":
      return tf.tensor(Int32Array.from(data), [...shape], "int32");
    case "int64":
    case "uint32":
    case "uint64":
    case "string":
      throw tensorUnsupported(spec.name, dtype);
    default:
      throw tensorUnsupported(spec.name, dtype satisfies never);
  }
}

async function awaited(tf: TensorFlow, specs: readonly TensorSpec[], answers: Tensor[]): Promise<Tensors> {
  try {
    return fromTensors(specs, answers, await Promise.all(answers.map((answer) => answer.data())));
  } finally {
    tf.dispose(answers);
  }
}

function fromTensors(
  specs: readonly TensorSpec[],
  answers: readonly Tensor[],
  values: readonly DataTypeMap[keyof DataTypeMap][],
): Tensors {
  return Object.fromEntries(
    specs.map(({ name }, index) => {
      const answer = answers[index] as Tensor;
      return [name, { dtype: answer.dtype, shape: answer.shape, data: values[index] } as PlainTensor];
    }),
  );
}
