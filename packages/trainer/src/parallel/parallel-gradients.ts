import type { TensorFlow } from "@millwright/tfjs";
import type { Tensor } from "../define-training.ts";
import type { Gradients, GradientSource, SourcedGradients } from "../gradient-step.ts";
import type { Matrix } from "../minibatches.ts";
import type { VectorLayout } from "./step-vector.ts";
import type { WorkerGroup } from "./worker-group.ts";

/** Gradients that several workers computed together, as tensors of the first one's device. */
export class ParallelGradients implements GradientSource {
  readonly #tf: TensorFlow;
  readonly #group: WorkerGroup;
  readonly #layout: VectorLayout;

  constructor(tf: TensorFlow, group: WorkerGroup, layout: VectorLayout) {
    this.#tf = tf;
    this.#group = group;
    this.#layout = layout;
  }

  async of(rows: Pick<Matrix, "features" | "labels">, step: number, lossScale: number): Promise<SourcedGradients> {
    const vector = await this.#group.learn(rows, step, lossScale);
    const tf = this.#tf;
    const { gradients, moving } = this.#layout;
    const statisticsAt = vector.length - moving.reduce((sum, { size }) => sum + size, 0);
    if (lossScale !== 1) for (let at = 0; at < statisticsAt; at += 1) vector[at] = (vector[at] as number) / lossScale;
    const tensorAt = ({ offset, size, weight }: VectorLayout["gradients"][number]): Tensor =>
      tf.tensor(vector.slice(offset, offset + size), weight.shape as number[], "float32");
    const grads: Gradients = Object.fromEntries(
      gradients.map((place) => [(place.weight.read() as unknown as { readonly name: string }).name, tensorAt(place)]),
    );
    return {
      value: tf.scalar(vector[0] ?? Number.NaN),
      grads,
      settle: () => {
        for (const place of moving) {
          const value = tensorAt(place);
          place.weight.write(value);
          value.dispose();
        }
      },
    };
  }
}
