import type { TensorFlow } from "@millwright/tfjs";
import type { CheckpointPart } from "./checkpoint-file.ts";
import type { LayersModel, Tensor } from "./define-training.ts";
import { readTensors, readWeights, tensorsOf, writeWeights } from "./model-state.ts";
import type { WeightAveraging } from "./optimization.ts";

/** How much of the weights goes into the average that `count` of them are in; undefined where they stay out. Pure. */
export function shareOfNext(
  averaging: WeightAveraging,
  at: { readonly count: number; readonly epoch: number; readonly end: "step" | "epoch" },
): number | undefined {
  if (averaging.kind === "ema") return at.end === "step" ? 1 - (averaging.decay ?? 0.99) : undefined;
  return at.end === "epoch" && at.epoch >= averaging.fromEpoch ? 1 / (at.count + 1) : undefined;
}

/** The average of a model's weights along a run, on the model's device. */
export class AveragedWeights {
  readonly #tf: TensorFlow;
  readonly #model: LayersModel;
  readonly #averaging: WeightAveraging;
  #average: Tensor[] = [];
  #count = 0;

  constructor(tf: TensorFlow, model: LayersModel, averaging: WeightAveraging) {
    this.#tf = tf;
    this.#model = model;
    this.#averaging = averaging;
    if (averaging.kind === "ema") this.#average = model.weights.map((weight) => tf.clone(weight.read()));
  }

  /** Weights that are in the average; with none, the model keeps its own. */
  get count(): number {
    return this.#count;
  }

  /** Takes the weights in as they are now, where it is their time. @param epoch From 1. */
  update(end: "step" | "epoch", epoch: number): void {
    const share = shareOfNext(this.#averaging, { count: this.#count, epoch, end });
    if (share === undefined) return;
    const tf = this.#tf;
    const before = this.#average;
    this.#average = this.#model.weights.map((weight, index) => {
      const now = weight.read();
      const old = before[index];
      if (old === undefined) return tf.clone(now);
      return tf.tidy(() => tf.add(old, tf.mul(tf.sub(now, old), share)));
    });
    for (const tensor of before) tensor.dispose();
    this.#count += 1;
  }

  /** Does something with the averaged weights in the model, then puts its own back, to the bit. */
  async within<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#count === 0) return work();
    const own = await readWeights(this.#model);
    this.apply();
    try {
      return await work();
    } finally {
      writeWeights(this.#tf, this.#model, own);
    }
  }

  /** Gives the model the averaged weights. */
  apply(): void {
    if (this.#count === 0) return;
    for (const [index, weight] of this.#model.weights.entries()) weight.write(this.#average[index] as Tensor);
  }

  async save(): Promise<readonly CheckpointPart[]> {
    return readTensors(this.#average, "average");
  }

  restore(parts: readonly CheckpointPart[], count: number): void {
    for (const tensor of this.#average) tensor.dispose();
    this.#average = tensorsOf(this.#tf, parts, "average");
    this.#count = count;
  }

  dispose(): void {
    for (const tensor of this.#average) tensor.dispose();
    this.#average = [];
  }
}
