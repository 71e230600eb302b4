// A worker thread of a run's process: it writes checkpoints while the training goes on.
import { parentPort } from "node:worker_threads";
import type { KeptCheckpoint } from "./best-checkpoints.ts";
import type { Checkpoint } from "./checkpoint-file.ts";
import { tellError, type ToldError } from "./errors.ts";
import { saveCheckpoint } from "./run-checkpoints.ts";

/** A checkpoint to write. */
export interface CheckpointOrder {
  readonly directory: string;
  readonly step: number;
  readonly checkpoint: Checkpoint;
  readonly kept: readonly KeptCheckpoint[] | undefined;
}

/** How it went. */
export type CheckpointAnswer =
  | { readonly folder: string; readonly path: string }
  | { readonly told: ToldError }
  | { readonly message: string };

async function write({ directory, step, checkpoint, kept }: CheckpointOrder): Promise<CheckpointAnswer> {
  try {
    return await saveCheckpoint(directory, step, checkpoint, kept);
  } catch (error) {
    const told = tellError(error);
    return told === undefined ? { message: error instanceof Error ? error.message : String(error) } : { told };
  }
}

parentPort?.on("message", (order: CheckpointOrder) => {
  void write(order).then((answer) => parentPort?.postMessage(answer));
});
