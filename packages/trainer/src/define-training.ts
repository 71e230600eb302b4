import type { InferOutput, StandardSchema } from "@millwright/contracts";
import type { RuleUse } from "./debugger/rule-use.ts";
import type { NativeLoader, TensorFlow, WebGpuLoader } from "@millwright/tfjs";
import type { Optimization } from "./optimization.ts";
import type { TrainingCallback } from "./training-callback.ts";

export type LayersModel = InstanceType<TensorFlow["LayersModel"]>;
export type Optimizer = InstanceType<TensorFlow["Optimizer"]>;
export type Tensor = ReturnType<TensorFlow["zeros"]>;

/** What the model is to say: the probability of a label of 1, or a number. */
export type TrainingTask = "binary" | "regression";

export interface BuildContext<Params> {
  readonly tf: TensorFlow;
  readonly params: Params;
  /** Width of the one input: the number of outputs of the transforms. */
  readonly inputs: number;
  /** Names of the inputs, in order. */
  readonly names: readonly string[];
  /** Of the run; initializers and dropout without a seed of their own are seeded from it. */
  readonly seed: number;
}

/** A model with how it is trained. */
export interface BuiltTraining {
  /** One input [rows, inputs], one output [rows, 1]; for the task `binary`, the output is a probability. */
  readonly model: LayersModel;
  /** Default: the one the model was compiled with, else Adam with a learning rate of 0.001. */
  readonly optimizer?: Optimizer | undefined;
  /**
   * Mean loss of a batch, a scalar; labels and predictions are [rows, 1].
   * Default: binary cross-entropy for `binary`, mean squared error for `regression`.
   */
  readonly loss?: ((labels: Tensor, predictions: Tensor) => Tensor) | undefined;
}

/** What a training module exports as its default. */
export interface TrainingDefinition<Schema extends StandardSchema = StandardSchema> {
  /** Checks the hyperparameters before anything is read. */
  readonly params: Schema;
  /** Default: `"binary"`. */
  readonly task?: TrainingTask | undefined;
  /** Native packages to try for the device: `() => import("@tensorflow/tfjs-node-gpu")`. Default: none. */
  readonly native?: NativeLoader | readonly NativeLoader[] | undefined;
  /** The package for WebGPU: `() => import("webgpu")`. Default: none; with neither, WASM. */
  readonly webgpu?: WebGpuLoader | undefined;
  /** Called along the run, in their order, or what makes them. Default: none. */
  readonly callbacks?:
    | readonly TrainingCallback[]
    | ((context: BuildContext<InferOutput<Schema>>) => readonly TrainingCallback[])
    | undefined;
  /** How steps are taken, or what makes it of the params. Default: the optimizer's step, plain. */
  readonly optimization?: Optimization | ((context: BuildContext<InferOutput<Schema>>) => Optimization) | undefined;
  /** Rules that watch the training, or what makes them; those of the run's options come after them. Default: none. */
  readonly rules?:
    | readonly RuleUse[]
    | ((context: BuildContext<InferOutput<Schema>>) => readonly RuleUse[])
    | undefined;
  build(context: BuildContext<InferOutput<Schema>>): LayersModel | BuiltTraining | Promise<LayersModel | BuiltTraining>;
}

/** Gives the definition back; it is there for its types. */
export function defineTraining<const Schema extends StandardSchema>(
  definition: TrainingDefinition<Schema>,
): TrainingDefinition<Schema> {
  return definition;
}
