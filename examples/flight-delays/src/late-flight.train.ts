import { defineTraining } from "@millwright/trainer";
import { z } from "zod";

/** Two dense layers that say how likely a flight is to be late. Runs in a process of its own. */
export default defineTraining({
  params: z.object({
    units: z.int().min(1),
    learningRate: z.number().positive(),
    /** Share of the first layer's units left out of each step. */
    dropout: z.number().min(0).max(0.9),
  }),
  build({ tf, params, inputs }) {
    const { units, learningRate, dropout } = params;
    const hidden = (width: number, inputShape?: number[]) =>
      tf.layers.dense({
        units: width,
        activation: "relu",
        kernelInitializer: "heNormal",
        ...(inputShape === undefined ? {} : { inputShape }),
      });
    const model = tf.sequential();
    model.add(hidden(units, [inputs]));
    if (dropout > 0) model.add(tf.layers.dropout({ rate: dropout }));
    model.add(hidden(Math.ceil(units / 2)));
    model.add(tf.layers.dense({ units: 1, activation: "sigmoid" }));
    return { model, optimizer: tf.train.adam(learningRate) };
  },
});
