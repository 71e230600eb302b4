import type { DatasetRef, RunId } from "@millwright/contracts";
import { inputRequestOf } from "./input/input-plan.ts";
import { resolveWorkers } from "./parallel/workers-option.ts";
import type { TrainingRequest } from "./run-messages.ts";
import { watchingOf } from "./watchdog/watch-options.ts";
import { defaultPlan, featureNamesOf, type StartOptions } from "./start-options.ts";

interface Resolved {
  readonly id: string;
  readonly train: DatasetRef;
  readonly validation: DatasetRef | undefined;
  readonly tracked: { readonly id: RunId } | undefined;
  readonly directory: string;
  readonly nowMs: number;
}

/** What a run's process is told of the options. */
export function requestOf(module: string, options: StartOptions, resolved: Resolved): TrainingRequest {
  const { memoryGuard = false } = options;
  const { label, params = {}, earlyStopping, checkpoints = {}, transforms, trial, featureService: service } = options;
  return {
    formatVersion: 1,
    runId: resolved.id,
    module,
    name: options.name ?? "model",
    params,
    train: resolved.train,
    validation: resolved.validation ?? null,
    label,
    transforms: transforms ?? null,
    plan:
      transforms === undefined
        ? (options.plan ?? defaultPlan(resolved.train.schema, label, featureNamesOf(service)))
        : null,
    epochs: options.epochs ?? 10,
    batchSize: options.batchSize ?? 1_024,
    seed: options.seed ?? 1,
    maxRows: options.maxRows ?? null,
    input: inputRequestOf(options.input),
    verifyData: options.verifyData ?? false,
    device: options.device ?? "auto",
    format: options.format ?? "auto",
    stopping: earlyStopping === undefined ? null : stoppingOf(earlyStopping),
    stopWhen: options.stopWhen ?? null,
    checkpoints: checkpoints === false ? null : checkpointsOf(checkpoints),
    rules: options.rules ?? [],
    profile: options.profile === false ? null : { traceSpans: options.profile?.traceSpans ?? 0 },
    watching: watchingOf(options),
    resumeFrom: options.resumeFrom ?? trial?.checkpoint ?? null,
    awaitVerdict: trial !== undefined,
    progressEveryMs: options.progressEveryMs ?? 500,
    directory: resolved.directory,
    trackedRunId: resolved.tracked?.id ?? null,
    featureService: service === undefined ? null : { name: service.name, digest: service.digest },
    createdTimeMs: resolved.nowMs,
    determinism: options.determinism ?? null,
    memoryGuard: memoryGuard === false ? null : { smallest: memoryGuard === true ? 1 : (memoryGuard.smallest ?? 1) },
    code: options.code ?? null,
    workers: options.workers === undefined ? null : resolveWorkers(options.workers),
  };
}

function stoppingOf({
  metric,
  patience = 3,
  minDelta = 0,
  restoreBest = true,
  baseline,
}: NonNullable<StartOptions["earlyStopping"]>): TrainingRequest["stopping"] {
  return { metric: metric ?? null, patience, minDelta, restoreBest, baseline: baseline ?? null };
}

function checkpointsOf({
  everySteps,
  everyMs,
  best,
  asynchronous = true,
}: Exclude<NonNullable<StartOptions["checkpoints"]>, false>): TrainingRequest["checkpoints"] {
  return {
    everySteps: everySteps ?? null,
    everyMs: everyMs ?? null,
    beside: asynchronous,
    best: best === undefined ? null : { metric: best.metric ?? null, keep: best.keep ?? 1 },
  };
}
