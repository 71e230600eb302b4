import { openTfjs } from "@millwright/tfjs";
import type { Tensor } from "../define-training.ts";
import { buildModel, checkParams, importDefinition, trainingWays } from "../build-model.ts";
import { parallelUnfit } from "../errors.ts";
import { usePrecision } from "../precision/mixed-precision.ts";
import type { TrainingRequest } from "../run-messages.ts";
import type { Board, BoardSize } from "./board.ts";
import { ShardLearner, type ShardTask } from "./shard-learner.ts";
import { rangeOf, rootsOf, shardsOf, sumTree } from "./shards.ts";
import { takeWeights } from "./step-vector.ts";

/** What a worker beside the first needs to build the model: JSON. */
export interface ReplicaSpec extends Pick<TrainingRequest, "module" | "params" | "seed" | "device"> {
  readonly names: readonly string[];
  /** It must be the first worker's. */
  readonly backend: string;
  readonly board: BoardSize;
}

/** A worker beside the first: it holds a model, takes weights and rows, and gives gradients. Nothing else is its own, so its loss loses nothing. */
export interface Replica {
  learn(task: ShardTask): Promise<void>;
}

/** Rows of the batch that a worker learns from. */
export function rowsOf(task: ShardTask): readonly [from: number, to: number] {
  const shards = shardsOf(task.rows, task.shards);
  const { from, to } = rangeOf(shards.length, task.position, task.workers);
  const own = shards.slice(from, to);
  return [own[0]?.start ?? 0, own.at(-1)?.end ?? 0];
}

/** The sums that a worker leaves. */
export const rootsOfTask = (task: ShardTask): ReturnType<typeof rootsOf> => {
  const shards = Math.min(task.rows, task.shards);
  return rootsOf(shards, rangeOf(shards, task.position, task.workers));
};

/** Builds the model anew in this thread or process. */
export async function openReplica(spec: ReplicaSpec, board: Board): Promise<Replica> {
  const definition = await importDefinition(spec.module);
  const params = await checkParams(definition, spec.params);
  const { native, webgpu } = definition;
  // The first worker has tested this very backend.
  const { tf, backend } = await openTfjs({ device: spec.device, native, webgpu, selfTest: false });
  if (backend !== spec.backend)
    throw parallelUnfit(`a worker computes on "${backend}", and the first on "${spec.backend}"`);
  const { names, seed } = spec;
  const ready = await buildModel(tf, definition, { params, names, seed });
  const { optimization } = trainingWays(spec.module, definition, { tf, params, inputs: names.length, names, seed });
  if (optimization.precision !== undefined) usePrecision(tf, ready.model, optimization.precision);
  const learner = new ShardLearner(tf, ready, { seed: spec.seed, width: spec.names.length });
  const tensor = (data: Float32Array, shape: readonly number[]): Tensor => tf.tensor(data, [...shape], "float32");
  return {
    async learn(task) {
      board.pullTask(rowsOf(task));
      takeWeights(ready.model, board.weights, tensor);
      await learner.learn(task, board);
      for (const { from } of rootsOfTask(task)) board.pushSlot(from);
    },
  };
}

/**
 * Sums numbers `from … to - 1` of the vectors over all shards, in the tree's order, into the first slot.
 * @param left The workers' own sums, which are made already.
 */
export function sumShards(
  task: Pick<ShardTask, "rows" | "shards" | "workers">,
  board: Board,
  [from, to]: readonly [from: number, to: number],
): void {
  const shards = Math.min(task.rows, task.shards);
  const made = new Set(
    Array.from({ length: task.workers }, (_, position) => rootsOf(shards, rangeOf(shards, position, task.workers)))
      .flat()
      .map((node) => `${node.from}:${node.to}`),
  );
  sumTree(
    { from: 0, to: shards },
    (index) => board.slot(index).subarray(from, to),
    (node) => made.has(`${node.from}:${node.to}`),
  );
}

/** The part of a vector that one of so many workers sums. */
export const stretchOf = (length: number, position: number, workers: number): readonly [from: number, to: number] => [
  Math.floor((position * length) / workers),
  Math.floor(((position + 1) * length) / workers),
];
