import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import {
  fitTransforms,
  fitTransformsOutOfFold,
  type FittedTransforms,
  type OutOfFoldTransforms,
  parseTransforms,
} from "@millwright/data";
import type { TrainingRequest } from "./run-messages.ts";

/**
 * Those given; else the plan's, fitted once a run, so that every attempt has the same. Where the plan encodes by the target, training rows go through
 * `trainBatch`, which does not know their own labels: what a row tells of its label must not come out of the label.
 */
export async function transformsOf(
  request: TrainingRequest,
  dataset: Dataset,
  signal: AbortSignal,
): Promise<{ readonly fitted: FittedTransforms } & Partial<OutOfFoldTransforms>> {
  if (request.transforms !== null) return { fitted: parseTransforms(request.transforms) };
  const plan = request.plan ?? [];
  const path = join(request.directory, "transforms.json");
  const kept = await readFile(path, "utf8").catch(() => undefined);
  const ofTarget = plan.some(({ kind }) => kind === "target");
  if (kept !== undefined && !ofTarget) return { fitted: parseTransforms(JSON.parse(kept)) };
  // Fits of the folds are not kept: of the same rows, plan and seed come the same.
  const outOfFold = ofTarget ? await fitTransformsOutOfFold(plan, dataset, { seed: request.seed, signal }) : undefined;
  if (kept !== undefined) return { ...outOfFold, fitted: parseTransforms(JSON.parse(kept)) };
  const fitted = outOfFold?.fitted ?? (await fitTransforms(plan, dataset, { signal }));
  await mkdir(request.directory, { recursive: true });
  await writeFile(`${path}.draft`, JSON.stringify(fitted));
  await rename(`${path}.draft`, path);
  return { ...outOfFold, fitted };
}
