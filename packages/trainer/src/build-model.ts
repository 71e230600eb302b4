import type { JsonObject } from "@millwright/contracts";
import type { TensorFlow } from "@millwright/tfjs";
import type {
  BuildContext,
  BuiltTraining,
  LayersModel,
  Optimizer,
  Tensor,
  TrainingDefinition,
  TrainingTask,
} from "./define-training.ts";
import { modelUnfit, moduleInvalid, paramsInvalid } from "./errors.ts";
import { checkRuleUses, type RuleUse } from "./debugger/rule-use.ts";
import { checkCallbacks } from "./callback-runner.ts";
import { checkOptimization, type Optimization } from "./optimization.ts";
import type { TrainingCallback } from "./training-callback.ts";
import { seedMathRandom } from "./seeding.ts";

/** A model that is ready to be trained. */
export interface ReadyModel {
  readonly model: LayersModel;
  readonly optimizer: Optimizer;
  readonly loss: (labels: Tensor, predictions: Tensor) => Tensor;
}

/** Imports a training module. Throws `TRAINER_MODULE_INVALID`. */
export async function importDefinition(module: string): Promise<TrainingDefinition> {
  let loaded: object;
  try {
    loaded = (await import(module)) as object;
  } catch (error) {
    throw moduleInvalid(module, `importing it failed with "${error instanceof Error ? error.message : String(error)}"`);
  }
  const found: unknown = "default" in loaded ? loaded.default : undefined;
  if (typeof found !== "object" || found === null) throw moduleInvalid(module, "it has no default export");
  if (!("build" in found) || typeof found.build !== "function") throw moduleInvalid(module, "its default has no build");
  if (
    !("params" in found) ||
    typeof found.params !== "object" ||
    found.params === null ||
    !("~standard" in found.params)
  ) {
    throw moduleInvalid(module, "the params of its default are no Standard Schema");
  }
  return found as TrainingDefinition;
}

/** Throws `TRAINER_PARAMS_INVALID` with every issue. */
export async function checkParams({ params }: TrainingDefinition, given: JsonObject): Promise<unknown> {
  const result = await params["~standard"].validate(given);
  if (result.issues !== undefined) throw paramsInvalid(result.issues);
  return result.value;
}

/** Builds the model with seeded initializers. Throws `TRAINER_MODEL_UNFIT`. */
export async function buildModel(
  tf: TensorFlow,
  definition: TrainingDefinition,
  { params, names, seed }: { readonly params: unknown; readonly names: readonly string[]; readonly seed: number },
): Promise<ReadyModel> {
  seedMathRandom(seed, "build");
  const built = await definition.build({ tf, params, inputs: names.length, names, seed });
  const { model, optimizer, loss }: BuiltTraining = "model" in built ? built : { model: built };
  checkShape(model, names.length);
  const compiled = (model as { optimizer?: Optimizer }).optimizer;
  return {
    model,
    optimizer: optimizer ?? compiled ?? tf.train.adam(1e-3),
    loss: loss ?? defaultLoss(tf, definition.task ?? "binary"),
  };
}

/** How the module's model is trained, besides the model. Throws `TRAINER_INPUT_INVALID`, `TRAINER_MODULE_INVALID`. */
export function trainingWays(
  module: string,
  { callbacks = [], optimization = {}, rules = [] }: TrainingDefinition,
  context: BuildContext<unknown>,
): {
  readonly callbacks: readonly TrainingCallback[];
  readonly optimization: Optimization;
  readonly rules: readonly RuleUse[];
} {
  const ways = {
    callbacks: typeof callbacks === "function" ? callbacks(context) : callbacks,
    optimization: typeof optimization === "function" ? optimization(context) : optimization,
    rules: typeof rules === "function" ? rules(context) : rules,
  };
  checkCallbacks(module, ways.callbacks);
  checkOptimization(ways.optimization);
  checkRuleUses(ways.rules, { own: true });
  return ways;
}

function checkShape(model: LayersModel, width: number): void {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) throw modelUnfit("it has several inputs or outputs");
  const inputs = model.inputs[0]?.shape;
  if (inputs?.length !== 2 || inputs[1] !== width) {
    throw modelUnfit(`its input has the shape [${inputs?.join(", ")}], and the data [rows, ${width}]`);
  }
  const outputs = model.outputs[0]?.shape;
  if (outputs?.length !== 2 || outputs[1] !== 1) {
    throw modelUnfit(`its output has the shape [${outputs?.join(", ")}], and the labels [rows, 1]`);
  }
}

function defaultLoss(tf: TensorFlow, task: TrainingTask): ReadyModel["loss"] {
  if (task === "regression") return (labels, predictions) => tf.mean(tf.squaredDifference(labels, predictions));
  return (labels, predictions) => tf.mean(tf.metrics.binaryCrossentropy(labels, predictions));
}
