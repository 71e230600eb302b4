import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { digestOf } from "@millwright/contracts";
import { batchOf, type Profile, profileOf } from "@millwright/data";
import type { TrainingDefinition } from "./define-training.ts";
import { levelText } from "./determinism/determinism-level.ts";
import type { LoopResult } from "./loop-options.ts";
import type { Metrics } from "./metrics.ts";
import { digestWeights } from "./model-state.ts";
import { packTrained } from "./pack-trained.ts";
import { predictRows } from "./predict-matrix.ts";
import { bestCheckpointPath } from "./run-checkpoints.ts";
import type { RunSummary } from "./run-messages.ts";
import type { Session } from "./run-session.ts";
import { metricsOf } from "./loop-metrics.ts";

/** Writes the model package, unless the run is paused. */
export async function finishRun(
  session: Session,
  result: LoopResult,
  definition: TrainingDefinition,
): Promise<RunSummary> {
  const { tfjs, ready, task, prepared, context } = session;
  const weightsDigest = await digestWeights(ready.model);
  const { kept, firedRules, profiler: _profiler, ...rest } = result;
  const bestCheckpoints = kept.map((one) => ({
    ...one,
    path: bestCheckpointPath(session.request.directory, one.step),
  }));
  const told = {
    ...rest,
    weightsDigest,
    ...(kept.length === 0 ? {} : { bestCheckpoints }),
    ...(firedRules.length === 0 ? {} : { firedRules }),
  };
  const { sample } = prepared;
  const { labels, predictions } = await predictRows(tfjs.tf, ready.model, prepared.judged);
  const metrics = metricsOf(task, { labels }, predictions);
  if (result.outcome === "paused") return { ...told, metrics };
  context.phase("uploading");
  const packed = await packTrained({
    tf: tfjs.tf,
    model: ready.model,
    request: session.request,
    transforms: prepared.transforms,
    sample,
    profile: profileWith(prepared.features, predictions),
    provenance: await provenanceOf(session, metrics, definition),
  });
  const { digest, directory: modelDirectory, manifest } = packed;
  return { ...told, metrics, digest, modelDirectory, format: manifest.format };
}

/** The profile of the features as they were learned from, and of what the model says of the validation rows. */
function profileWith(features: Profile, predictions: Float32Array): Profile {
  const said = profileOf(batchOf({ prediction: predictions }));
  return { rows: features.rows, columns: { ...features.columns, ...said.columns } };
}

/** Facts that a manifest has no place of their own for. */
const environmentOf = (facts: Session["facts"]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(facts).filter(([name]) => !/^(data\..*|seed|code\.module|options)$/.test(name)));

function precisionText({ optimization: { precision } }: Session): string {
  if (precision === undefined) return "float32";
  return precision.simulated === true ? `${precision.kind}, simulated in float32` : precision.kind;
}

async function provenanceOf(
  session: Session,
  metrics: Metrics,
  definition: TrainingDefinition,
): Promise<Parameters<typeof packTrained>[0]["provenance"]> {
  const { request, prepared } = session;
  const code = await readFile(fileURLToPath(request.module));
  const finite = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return {
    datasets: {
      train: request.train.digest,
      ...(request.validation === null ? {} : { validation: request.validation.digest }),
    },
    code: digestOf(code),
    environment: {
      ...environmentOf(session.facts),
      precision: precisionText(session),
      ...(request.determinism == null ? {} : { determinism: levelText(request.determinism) }),
      task: definition.task ?? "binary",
    },
    seed: request.seed,
    hyperparameters: {
      ...request.params,
      epochs: request.epochs,
      batchSize: request.batchSize,
      trainRows: prepared.train.rows,
      ...(request.microBatch == null ? {} : { microBatch: request.microBatch }),
      ...(request.workers == null ? {} : { workers: request.workers.count, shards: request.workers.shards }),
    },
    metrics: Object.fromEntries(finite),
    runId: request.trackedRunId ?? request.runId,
  };
}
