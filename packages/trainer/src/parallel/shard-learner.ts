import type { TensorFlow } from "@millwright/tfjs";
import type { ReadyModel } from "../build-model.ts";
import type { Tensor } from "../define-training.ts";
import { parallelUnfit } from "../errors.ts";
import { costOf } from "../gradient-step.ts";
import type { Matrix } from "../minibatches.ts";
import { seedStep } from "../seeding.ts";
import { rangeOf, rootsOf, type Shard, shardsOf, sumTree } from "./shards.ts";
import { type VectorLayout, vectorLayout } from "./step-vector.ts";

/** A step as a worker is told it. */
export interface ShardTask {
  /** From 0, of the run. */
  readonly step: number;
  readonly rows: number;
  /** Shards that the batch is cut in. */
  readonly shards: number;
  /** Which of the workers this is, from 0, and how many there are. */
  readonly position: number;
  readonly workers: number;
  /** Most rows learned from at once. */
  readonly pieceRows: number;
  /** Factor of the loss, and with it of the gradients. */
  readonly lossScale: number;
}

/** Where rows are read, and vectors are left. */
export interface ShardMemory {
  /** [rows, width] of the batch. */
  readonly features: Float32Array;
  readonly labels: Float32Array;
  /** The vector of a shard, or of the sum that begins with it. */
  slot(index: number): Float32Array;
}

/** Computes gradients of shards. All workers do it with the same code on the same numbers, so what each makes has the same bits. */
export class ShardLearner {
  readonly #tf: TensorFlow;
  readonly #ready: ReadyModel;
  readonly #seed: number;
  readonly #width: number;
  readonly layout: VectorLayout;
  #checked = false;

  /** Throws `TRAINER_PARALLEL_UNFIT`. */
  constructor(tf: TensorFlow, ready: ReadyModel, { seed, width }: { readonly seed: number; readonly width: number }) {
    this.#tf = tf;
    this.#ready = ready;
    this.#seed = seed;
    this.#width = width;
    this.layout = vectorLayout(ready.model);
  }

  /** Leaves the sums that can be made of a worker's own shards in their slots; moving statistics of the model stay as they were. */
  async learn(task: ShardTask, memory: ShardMemory): Promise<void> {
    const shards = shardsOf(task.rows, task.shards);
    const own = rangeOf(shards.length, task.position, task.workers);
    const base = this.layout.moving.map(({ weight }) => this.#tf.clone(weight.read()));
    try {
      for (const shard of shards.slice(own.from, own.to)) await this.#learnShard(shard, task, { memory, base });
    } finally {
      this.#resetMoving(base);
      for (const tensor of base) tensor.dispose();
    }
    for (const root of rootsOf(shards.length, own)) sumTree(root, memory.slot, ({ from, to }) => to - from === 1);
  }

  async #learnShard(
    { index, start, end }: Shard,
    { step, rows, shards, pieceRows, lossScale }: ShardTask,
    { memory, base }: { readonly memory: ShardMemory; readonly base: readonly Tensor[] },
  ): Promise<void> {
    const sum = memory.slot(index);
    sum.fill(0);
    for (let from = start, piece = 0; from < end; from += pieceRows, piece += 1) {
      const to = Math.min(end, from + pieceRows);
      this.#resetMoving(base);
      seedStep(this.#ready.model, this.#seed, step, index + piece * shards);
      const part = {
        features: memory.features.subarray(from * this.#width, to * this.#width),
        labels: memory.labels.subarray(from, to),
      };
      const add = (): Promise<void> => this.#addGradients(part, { share: (to - from) / rows, lossScale }, sum);
      if (this.#checked) await add();
      else await this.#whileChecking(add);
    }
  }

  /** Adds loss, gradients and moving statistics, weighed by the part's share of the batch. */
  async #addGradients(
    rows: Pick<Matrix, "features" | "labels">,
    { share, lossScale }: { readonly share: number; readonly lossScale: number },
    sum: Float32Array,
  ): Promise<void> {
    const tf = this.#tf;
    const { gradients, moving } = this.layout;
    const variables = gradients.map(({ weight }) => weight.read());
    const { value, grads } = tf.tidy(() => {
      const x = tf.tensor2d(rows.features, [rows.labels.length, this.#width]);
      const y = tf.tensor2d(rows.labels, [rows.labels.length, 1]);
      return tf.variableGrads(
        () => tf.mul(costOf(tf, this.#ready, x, y), lossScale).asScalar(),
        variables as unknown as Parameters<typeof tf.variableGrads>[1],
      );
    });
    const found = variables.map((variable) => grads[(variable as { readonly name?: string }).name ?? ""]);
    try {
      addWeighed(sum, 0, await value.data(), share);
      for (const [place, { offset }] of gradients.entries()) {
        const gradient = found[place];
        if (gradient !== undefined) addWeighed(sum, offset, await gradient.data(), share);
      }
      for (const { weight, offset } of moving) addWeighed(sum, offset, await weight.read().data(), share);
    } finally {
      value.dispose();
      for (const gradient of found) gradient?.dispose();
    }
  }

  #resetMoving(base: readonly Tensor[]): void {
    for (const [index, { weight }] of this.layout.moving.entries()) weight.write(base[index] as Tensor);
  }

  /** Looks once whether a batch changes weights of which nothing is known here: they would be another worker's loss. */
  async #whileChecking(work: () => Promise<void>): Promise<void> {
    const { moving } = this.layout;
    const others = this.#ready.model.nonTrainableWeights.filter(
      (weight) => !moving.some((place) => place.weight === weight),
    );
    const read = async (): Promise<readonly Float32Array[]> =>
      Promise.all(others.map(async (weight) => (await weight.read().data()).slice() as Float32Array));
    const before = await read();
    await work();
    const after = await read();
    const changed = others.find((_, index) =>
      before[index]?.some((value, at) => !Object.is(value, after[index]?.[at])),
    );
    if (changed !== undefined)
      throw parallelUnfit(`learning from a batch changes its weight "${changed.originalName}", which no gradient does`);
    this.#checked = true;
  }
}

function addWeighed(sum: Float32Array, offset: number, values: ArrayLike<number>, share: number): void {
  for (let index = 0; index < values.length; index += 1)
    sum[offset + index] = (sum[offset + index] as number) + Math.fround((values[index] as number) * share);
}
