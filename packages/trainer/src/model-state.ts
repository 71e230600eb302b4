import { createHash } from "node:crypto";
import type { TensorFlow } from "@millwright/tfjs";
import type { CheckpointPart } from "./checkpoint-file.ts";
import type { LayersModel, Optimizer, Tensor } from "./define-training.ts";
import { checkpointUnsupported, modelUnfit } from "./errors.ts";

/** The private scalars of Adam that `getWeights` leaves out: recomputed from the iteration, they differ in the last bits. */
const accumulators = ["accBeta1", "accBeta2"] as const;

interface Assignable extends Tensor {
  assign(value: Tensor): void;
}

const accumulatorOf = (optimizer: Optimizer, name: string): Assignable | undefined => {
  const value = (optimizer as unknown as Readonly<Record<string, unknown>>)[name];
  return typeof value === "object" && value !== null && "assign" in value ? (value as Assignable) : undefined;
};

async function partOf(name: string, tensor: Tensor, copied: boolean): Promise<CheckpointPart> {
  const data = await tensor.data();
  if (!(data instanceof Float32Array) && !(data instanceof Int32Array)) {
    throw modelUnfit(`its weight ${name} is of the type ${tensor.dtype}`);
  }
  // A copy: some backends give their own memory.
  const dtype = data instanceof Int32Array ? "int32" : "float32";
  return { name, shape: tensor.shape, dtype, data: copied ? data : data.slice() };
}

/** Whether what tensors are read into is the reader's own already: of these backends it is known. */
export const readsCopies = (tf: TensorFlow): boolean => tf.getBackend() === "wasm";

/**
 * Tensors by position.
 * @param copied Whether the backend reads into memory that is the reader's own (`readsCopies`). Default: false, and a copy is made.
 */
export async function readTensors(
  tensors: readonly Tensor[],
  prefix: string,
  copied = false,
): Promise<readonly CheckpointPart[]> {
  const parts: CheckpointPart[] = [];
  for (const [index, tensor] of tensors.entries()) parts.push(await partOf(`${prefix}/${index}`, tensor, copied));
  return parts;
}

/** The model's weights, by position: names that TensorFlow.js makes up count on within a process. */
export function readWeights(model: LayersModel, prefix = "model", copied = false): Promise<readonly CheckpointPart[]> {
  return readTensors(
    model.weights.map((weight) => weight.read()),
    prefix,
    copied,
  );
}

/** Throws `TRAINER_CHECKPOINT_UNSUPPORTED`. */
export async function readOptimizer(optimizer: Optimizer, copied = false): Promise<readonly CheckpointPart[]> {
  const parts: CheckpointPart[] = [];
  let weights: Awaited<ReturnType<Optimizer["getWeights"]>>;
  try {
    weights = await optimizer.getWeights();
  } catch (error) {
    throw checkpointUnsupported(optimizer.getClassName(), error);
  }
  for (const [index, { tensor }] of weights.entries()) parts.push(await partOf(`optimizer/${index}`, tensor, copied));
  weights[0]?.tensor.dispose(); // the iteration is a tensor made for the call; the others are the optimizer's own
  for (const name of accumulators) {
    const value = accumulatorOf(optimizer, name);
    if (value !== undefined) parts.push(await partOf(`accumulator/${name}`, value, copied));
  }
  return parts;
}

const tensorOf = (tf: TensorFlow, { data, shape, dtype }: CheckpointPart): Tensor => tf.tensor(data, [...shape], dtype);

const named = (parts: readonly CheckpointPart[], prefix: string): readonly CheckpointPart[] =>
  parts.filter(({ name }) => name.startsWith(`${prefix}/`));

/** The caller's to dispose. */
export const tensorsOf = (tf: TensorFlow, parts: readonly CheckpointPart[], prefix: string): Tensor[] =>
  named(parts, prefix).map((part) => tensorOf(tf, part));

/** Throws `TRAINER_MODEL_UNFIT` where the model has other weights. */
export function writeWeights(
  tf: TensorFlow,
  model: LayersModel,
  parts: readonly CheckpointPart[],
  prefix = "model",
): void {
  const found = named(parts, prefix);
  const fits =
    found.length === model.weights.length &&
    found.every(({ shape }, index) => shape.join() === model.weights[index]?.shape.join());
  if (!fits) throw modelUnfit("its weights are not those of the checkpoint");
  for (const [index, part] of found.entries()) {
    const tensor = tensorOf(tf, part);
    model.weights[index]?.write(tensor);
    tensor.dispose();
  }
}

/** Puts the optimizer where it was, to the bit. */
export async function writeOptimizer(
  tf: TensorFlow,
  optimizer: Optimizer,
  parts: readonly CheckpointPart[],
): Promise<void> {
  const found = named(parts, "optimizer").map((part) => ({ name: part.name, tensor: tensorOf(tf, part) }));
  if (found.length === 0) return;
  await optimizer.setWeights(found as Parameters<Optimizer["setWeights"]>[0]);
  for (const { tensor } of found) tensor.dispose(); // the optimizer's variables hold the data by now
  for (const part of named(parts, "accumulator")) {
    const tensor = tensorOf(tf, part);
    accumulatorOf(optimizer, part.name.slice("accumulator/".length))?.assign(tensor);
    tensor.dispose();
  }
}

export async function digestWeights(model: LayersModel): Promise<string> {
  const hash = createHash("sha256");
  for (const { data } of await readWeights(model))
    hash.update(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}
