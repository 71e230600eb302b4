import { createRandom } from "@millwright/contracts";
import type { WorkersOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { Board } from "../src/parallel/board.ts";
import { sumShards } from "../src/parallel/replica.ts";
import { ShardLearner } from "../src/parallel/shard-learner.ts";
import { rangeOf, rootsOf, shardsOf, sumTree } from "../src/parallel/shards.ts";
import { resolveWorkers } from "../src/parallel/workers-option.ts";
import { loopOptions } from "./loop-setting.ts";

test("shards cut a batch without gaps, in parts that differ by a row at most", () => {
  for (const [rows, count] of [
    [1_030, 8],
    [100, 7],
    [3, 8],
    [1, 1],
  ] as const) {
    const shards = shardsOf(rows, count);
    expect(shards).toHaveLength(Math.min(rows, count));
    expect(shards[0]?.start).toBe(0);
    expect(shards.at(-1)?.end).toBe(rows);
    for (const [index, { start }] of shards.slice(1).entries()) expect(start).toBe(shards[index]?.end);
    const sizes = shards.map(({ start, end }) => end - start);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(2);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
  }
});

test("the sum over shards has the same bits for any number of workers, and other bits in another order", () => {
  const random = createRandom(3);
  const vectors = Array.from({ length: 8 }, () => Float32Array.from({ length: 500 }, () => random.normal()));
  const size = { weights: 0, rows: 0, width: 1, slots: 8, vector: 500 };
  const sumOf = (workers: number): Float32Array => {
    const board = new Board(size, new ArrayBuffer(Board.bytesOf(size)));
    for (const [index, vector] of vectors.entries()) board.slot(index).set(vector);
    // Each worker's own sums first, the last worker's before the others'.
    for (let position = workers - 1; position >= 0; position -= 1) {
      const roots = rootsOf(8, rangeOf(8, position, workers));
      for (const root of roots) sumTree(root, board.slot, ({ from, to }) => to - from === 1);
    }
    const task = { rows: 80, shards: 8, workers };
    sumShards(task, board, [0, 123]);
    sumShards(task, board, [123, 500]);
    return board.slot(0).slice();
  };
  const one = sumOf(1);
  for (const workers of [2, 3, 4, 5, 8]) expect(sumOf(workers)).toEqual(one);
  const inTurn = new Float32Array(500);
  for (const vector of vectors) for (const [at, value] of vector.entries()) inTurn[at] = (inTurn[at] as number) + value;
  expect(inTurn).not.toEqual(one);
  for (const [at, value] of inTurn.entries()) expect(one[at]).toBeCloseTo(value, 5);
});

test("a model that carries something from batch to batch is refused for several workers", async () => {
  const options = await loopOptions();
  const { tf } = options;
  const stateful = tf.sequential({
    layers: [tf.layers.simpleRNN({ units: 1, stateful: true, batchInputShape: [4, 3, 2] })],
  });
  const setting = { seed: 1, width: 2 };
  expect(() => new ShardLearner(tf, { ...options.ready, model: stateful }, setting)).toThrow(/stateful/);

  /** Counts the batches it has seen in a weight. */
  class Counting extends tf.layers.Layer {
    static readonly className = "Counting";
    #seen: ReturnType<InstanceType<typeof tf.layers.Layer>["addWeight"]> | undefined;
    override build(): void {
      this.#seen = this.addWeight("seen", [1], "float32", tf.initializers.zeros(), undefined, false);
      this.built = true;
    }
    override call(
      inputs: Parameters<InstanceType<typeof tf.layers.Layer>["call"]>[0],
    ): ReturnType<InstanceType<typeof tf.layers.Layer>["call"]> {
      const seen = this.#seen;
      seen?.write(tf.tidy(() => tf.add(seen.read(), 1)));
      return inputs;
    }
  }
  const counting = tf.sequential({ layers: [new Counting({ inputShape: [2] }), tf.layers.dense({ units: 1 })] });
  const learner = new ShardLearner(tf, { ...options.ready, model: counting }, setting);
  const slot = new Float32Array(learner.layout.length);
  const memory = { features: new Float32Array(8), labels: new Float32Array(4), slot: () => slot };
  const task = { step: 0, rows: 4, shards: 1, position: 0, workers: 1, pieceRows: 4, lossScale: 1 };
  await expect(learner.learn(task, memory)).rejects.toMatchObject({ code: "TRAINER_PARALLEL_UNFIT" });
});

test("workers' options are checked before a process starts", () => {
  expect(resolveWorkers(3)).toMatchObject({ count: 3, shards: 8, reduction: "tree", minimum: 1, onLoss: "keep" });
  expect(resolveWorkers({ count: 9 }).shards).toBe(16);
  const wrong: readonly (number | WorkersOptions)[] = [
    0,
    1.5,
    { count: 4, shards: 3 },
    { count: 2, minimum: 3 },
    { count: 2, replacements: -1 },
    { count: 2, stepTimeoutMs: 0 },
    { count: 2, transport: "rings" as "threads" },
    { count: 2, reduction: "any" as "tree" },
    { count: 2, onLoss: "grow" as "keep" },
  ];
  for (const workers of wrong)
    expect(() => resolveWorkers(workers)).toThrow(expect.objectContaining({ code: "TRAINER_INPUT_INVALID" }) as Error);
});
