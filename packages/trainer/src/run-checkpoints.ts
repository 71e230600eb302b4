import { join } from "node:path";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import type { KeptCheckpoint } from "./best-checkpoints.ts";
import {
  type Checkpoint,
  checkpointName,
  type ReadCheckpoint,
  readLatestCheckpoint,
  replaceCheckpoint,
  writeCheckpoint,
} from "./checkpoint-file.ts";
import type { Observation } from "./debugger/observation.ts";
import { writeFailure } from "./errors.ts";
import type { TrainingRequest } from "./run-messages.ts";

export const checkpointsIn = (directory: string): string => join(directory, "checkpoints");
const bestIn = (directory: string): string => join(checkpointsIn(directory), "best");

/** Where a checkpoint that is kept for its metric lies. @param directory The run's. */
export const bestCheckpointPath = (directory: string, step: number): string =>
  join(bestIn(directory), checkpointName(step));

/** The run's own newest checkpoint, else that of the run it goes on from. */
export async function checkpointOf({
  directory,
  resumeFrom,
}: Pick<TrainingRequest, "directory" | "resumeFrom">): Promise<
  (ReadCheckpoint & { readonly own: boolean }) | undefined
> {
  const own = await readLatestCheckpoint(checkpointsIn(directory));
  if (own !== undefined) return { ...own, own: true };
  const other = resumeFrom === null ? undefined : await readLatestCheckpoint(resumeFrom);
  return other === undefined ? undefined : { ...other, own: false };
}

/**
 * Writes a checkpoint, and before it a second time where it is one of the best: what the newest says was kept, is there.
 * @returns the folder that `resumeFrom` takes.
 */
export async function saveCheckpoint(
  directory: string,
  step: number,
  checkpoint: Checkpoint,
  kept?: readonly KeptCheckpoint[],
): Promise<{ readonly folder: string; readonly path: string }> {
  const best = bestIn(directory);
  if (kept?.some((one) => one.step === step) === true) {
    await mkdir(best, { recursive: true });
    await replaceCheckpoint(bestCheckpointPath(directory, step), checkpoint);
  }
  const folder = checkpointsIn(directory);
  const path = await writeCheckpoint(folder, step, checkpoint);
  if (kept !== undefined) {
    const names = new Set(kept.map((one) => checkpointName(one.step)));
    const there = await readdir(best).catch(() => [] as string[]);
    for (const name of there) if (!names.has(name)) await rm(join(best, name), { force: true });
  }
  return { folder, path };
}

/**
 * Keeps what was observed when a rule fired, with a checkpoint that `resumeFrom` takes. Throws `TRAINER_WRITE_FAILED`.
 * @returns their folder.
 */
export async function saveSnapshot(
  directory: string,
  rule: string,
  { observation, checkpoint }: { readonly observation: Observation; readonly checkpoint: Checkpoint },
): Promise<string> {
  const folder = join(directory, "snapshots", `${rule.replaceAll(/[^\w.-]/g, "_")}-${observation.step}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, "observation.json"),
      JSON.stringify({ formatVersion: 1, ...observation }, plainNumbers),
    );
  } catch (error) {
    throw writeFailure(folder, error);
  }
  await writeCheckpoint(folder, observation.step, checkpoint);
  return folder;
}

/** JSON has no NaN, and writes typed arrays as objects. */
const plainNumbers = (_key: string, value: unknown): unknown => {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
};
