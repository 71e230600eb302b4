import type { TensorFlow } from "@millwright/tfjs";
import type { LayersModel, Tensor } from "./define-training.ts";
import type { EvaluationRows } from "./input/training-rows.ts";
import { yieldToEvents } from "./yield-to-events.ts";

const rowsAtOnce = 8_192;

/** The model's answer for every row of a row-major matrix. */
export async function predictMatrix(
  tf: TensorFlow,
  model: LayersModel,
  { features, rows, width }: { readonly features: Float32Array; readonly rows: number; readonly width: number },
): Promise<Float32Array> {
  const predictions = new Float32Array(rows);
  for (let start = 0; start < rows; start += rowsAtOnce) {
    const end = Math.min(rows, start + rowsAtOnce);
    const answer = tf.tidy(() => {
      const input = tf.tensor2d(features.subarray(start * width, end * width), [end - start, width]);
      // Not `predict`, which cuts the rows into small batches of its own.
      return model.apply(input, { training: false }) as Tensor;
    });
    predictions.set((await answer.data()) as Float32Array, start);
    answer.dispose();
    await yieldToEvents();
  }
  return predictions;
}

/** The model's answer for every row, and the row's label. Holds those two alone: 8 bytes a row. */
export async function predictRows(
  tf: TensorFlow,
  model: LayersModel,
  rows: EvaluationRows,
): Promise<{ readonly labels: Float32Array; readonly predictions: Float32Array }> {
  const labels = new Float32Array(rows.rows);
  const predictions = new Float32Array(rows.rows);
  let at = 0;
  for await (const piece of rows.pieces()) {
    labels.set(piece.labels, at);
    predictions.set(await predictMatrix(tf, model, piece), at);
    at += piece.rows;
  }
  return { labels, predictions };
}
