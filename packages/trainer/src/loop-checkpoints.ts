import { rankCheckpoints } from "./best-checkpoints.ts";
import type { Checkpoint } from "./checkpoint-file.ts";
import { resumeDiverged } from "./errors.ts";
import { decodePosition, encodePosition } from "./loop-position.ts";
import type { LoopState } from "./loop-state.ts";
import { readOptimizer, readsCopies, readWeights, writeOptimizer, writeWeights } from "./model-state.ts";
import type { EpochReport } from "./run-messages.ts";

/**
 * Goes on from a checkpoint, to the bit. Throws `TRAINER_RESUME_DIVERGED`, `TRAINER_MODEL_UNFIT`.
 * @param own Whether it is this run's: what another was to stop for, and kept for being good, is left behind.
 */
export async function restoreLoop(
  loop: LoopState,
  { state, parts }: Checkpoint,
  { path, own }: { readonly path: string; readonly own: boolean },
): Promise<void> {
  const { tf, ready, fingerprint, train, batchSize } = loop.options;
  const theirs = state["fingerprint"] as Readonly<Record<string, string>>;
  const differences = [...new Set([...Object.keys(fingerprint), ...Object.keys(theirs)])]
    .filter((name) => theirs[name] !== fingerprint[name])
    .map((name) => `${name} was ${theirs[name] ?? "absent"} and is ${fingerprint[name] ?? "absent"}`);
  if (differences.length > 0) throw resumeDiverged(differences);
  writeWeights(tf, ready.model, parts);
  await writeOptimizer(tf, ready.optimizer, parts);
  loop.best = parts.filter(({ name }) => name.startsWith("best/"));
  const rowsDone = (batch: number): number => Math.min(train.rows, batch * batchSize); // of checkpoints from before batches could shrink
  const { position, callbacks, callbackFailures } = decodePosition(state, rowsDone);
  loop.position = own ? position : { ...position, stop: undefined, kept: [] };
  loop.average?.restore(parts, position.averaged);
  loop.callbacks.restore(callbacks, callbackFailures);
  loop.rules?.restore(state["rules"], parts, own);
  loop.checkpoint = path;
}

/** A copy of all that the loop is to go on from. */
export async function checkpointOfLoop(loop: LoopState): Promise<Checkpoint> {
  const { position, rules } = loop;
  const { tf, ready, fingerprint } = loop.options;
  position.averaged = loop.average?.count ?? 0;
  const { states: callbacks, failures: callbackFailures } = loop.callbacks.save();
  const state = {
    fingerprint,
    ...encodePosition({ position, callbacks, callbackFailures }),
    ...(rules === undefined ? {} : { rules: rules.save() }),
  };
  // One copy, which is all that the training waits for.
  const copied = readsCopies(tf);
  const parts = [
    ...(await readWeights(ready.model, "model", copied)),
    ...(await readOptimizer(ready.optimizer, copied)),
    ...((await loop.average?.save()) ?? []),
    ...((await rules?.parts()) ?? []),
    ...loop.best,
  ];
  return { state, parts };
}

/**
 * Writes a checkpoint of where the loop is; where the options say so, the training goes on meanwhile. One is written at a time, in their order.
 * @param report Of the epoch that has just ended, where one has. Throws what writing it, or the one before, throws.
 */
export async function saveLoop(loop: LoopState, report?: EpochReport): Promise<void> {
  const { save, saveBeside = false, keepBest } = loop.options;
  if (save === undefined) return;
  await loop.callbacks.call("onCheckpoint");
  const { position } = loop;
  if (report !== undefined && keepBest !== undefined) {
    const value = { trainLoss: report.trainLoss, ...report.metrics }[keepBest.metric] ?? Number.NaN;
    position.kept = rankCheckpoints(position.kept, { epoch: report.epoch, step: report.step, value }, keepBest);
  }
  await loop.saving.settled();
  const checkpoint = await checkpointOfLoop(loop);
  const kept = keepBest === undefined ? undefined : position.kept;
  loop.saving.begin(save(position.step, checkpoint, kept).then((path) => void (loop.checkpoint = path)));
  if (!saveBeside) await loop.saving.settled();
  loop.savedMs = loop.clock.monotonicMs();
  loop.profiler.lap("checkpoint");
}
