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
