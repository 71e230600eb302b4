import type { TensorFlow } from "@millwright/tfjs";
import type { ReadyModel } from "./build-model.ts";
import type { TrainingTask } from "./define-training.ts";
import type { LoopOptions } from "./loop-options.ts";
import { binaryMetrics, type Metrics, regressionMetrics } from "./metrics.ts";
import type { Matrix } from "./minibatches.ts";

/** What a trial is told, and early stopping goes by, where nothing else is said. */
export const objectiveOf = ({ task, validation }: Pick<LoopOptions, "task" | "validation">): string =>
  validation === undefined ? "trainLoss" : task === "binary" ? "logLoss" : "mse";

export function metricsOf(task: TrainingTask, { labels }: Pick<Matrix, "labels">, predictions: Float32Array): Metrics {
  return task === "binary" ? binaryMetrics(labels, predictions) : regressionMetrics(labels, predictions);
}

/** The training's own loss of predictions, the model's penalties among it. */
export async function lossOf(
  tf: TensorFlow,
  { model, loss }: ReadyModel,
  labels: Float32Array,
  predictions: Float32Array,
): Promise<number> {
  const scalar = tf.tidy(() => {
    const shape: [number, number] = [labels.length, 1];
    const own = loss(tf.tensor2d(labels, shape), tf.tensor2d(predictions, shape));
    return model.calculateLosses().reduce((sum, penalty) => tf.add(sum, penalty), own);
  });
  const [value = Number.NaN] = await scalar.data();
  scalar.dispose();
  return value;
}
