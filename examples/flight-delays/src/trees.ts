import { join } from "node:path";
import type { DatasetRef, JsonValue, RunHandle, RunId } from "@millwright/contracts";
import { float, int, medianPruner } from "@millwright/tuner";
import { lateFlights } from "./definitions.ts";
import { treesFailed } from "./errors.ts";
import type { TreesFitted, TreesProgress, TreesRequest } from "./late-flight.trees.ts";
import type { TrainingBench } from "./training.ts";

const treesModule = new URL("./late-flight.trees.js", import.meta.url).href;

/** How many times a fit says how it stands. */
const reports = 3;

export const treesSearch = {
  name: "late-trees",
  space: {
    leaves: int(15, 127, { log: true }),
    learningRate: float(0.05, 0.3, { log: true }),
    leafRows: int(20, 200, { log: true }),
  },
  pruner: medianPruner({ startupTrials: 2 }),
} as const;

export interface TreesParams {
  readonly leaves: number;
  readonly learningRate: number;
  readonly leafRows: number;
}

export interface TreesStart {
  readonly name: string;
  readonly train: DatasetRef;
  readonly validation: DatasetRef;
  readonly params: TreesParams;
  readonly trees: number;
  /** Whether it is the final model: packed, with fewer trees where more are no better, and gone on with where it was interrupted. */
  readonly packed: boolean;
  readonly causedBy?: Parameters<TrainingBench["registry"]["startRun"]>[0]["causedBy"];
  /** Ends the fit: that of the trial. Default: none, and an interruption of the program leaves the fit to the next start. */
  readonly signal?: AbortSignal | undefined;
  /** @returns false where the fit is to end. */
  readonly onProgress?: ((step: number, logLoss: number) => Promise<boolean>) | undefined;
}

/** Fits trees in a job, as a tracked run. @returns undefined for `fitted` where `onProgress` ended it. */
export async function fitTrees(
  bench: TrainingBench,
  start: TreesStart,
): Promise<{ readonly fitted: TreesFitted | undefined; readonly modelDirectory: string; readonly logLoss: number }> {
  const { jobs, directory, signal } = bench;
  const { name, params, trees } = start;
  const run = await track(bench, start);
  run.logParams({ ...params, trees });
  const modelDirectory = join(directory, "runs", name, "model");
  const request = requestOf(start, run.id, modelDirectory);
  const job = await jobs.launch({
    id: `trees-${run.id}`,
    run: { module: treesModule, input: request as unknown as JsonValue },
    retries: 2,
    causedBy: run.eventId,
  });
  const stop = (): void => void job.stop("The search was stopped.");
  start.signal?.addEventListener("abort", stop, { once: true });
  try {
    let logLoss = Number.NaN;
    let step = 0;
    for await (const event of job.events({ signal })) {
      const progress = event.kind === "message" ? (event.body as unknown as TreesProgress) : undefined;
      // What an earlier start of the process has told is told again.
      if (progress === undefined || progress.trees <= step * request.reportEvery) continue;
      ({ logLoss } = progress);
      step += 1;
      run.logMetrics([{ name: "logLoss", value: logLoss, step }]);
      if ((await start.onProgress?.(step, logLoss)) === false) await job.stop("It is not worth going on.");
    }
    const { state, value, failureReason } = await job.result({ signal });
    start.signal?.throwIfAborted();
    signal.throwIfAborted();
    if (state === "completed") {
      const fitted = value as unknown as TreesFitted;
      run.logMetrics([{ name: "final.logLoss", value: fitted.logLoss, step }]);
      await run.end("finished");
      return { fitted, modelDirectory, logLoss: fitted.logLoss };
    }
    await run.end(state === "stopped" ? "killed" : "failed");
    if (state !== "stopped") throw treesFailed(state, failureReason ?? "no reason was given");
    return { fitted: undefined, modelDirectory, logLoss };
  } finally {
    start.signal?.removeEventListener("abort", stop);
  }
}

function requestOf(
  { train, validation, params, trees, packed }: TreesStart,
  runId: RunId,
  directory: string,
): TreesRequest {
  const { leaves, learningRate, leafRows } = params;
  const { digest, name, featureNames } = lateFlights;
  return {
    train,
    validation,
    features: featureNames,
    options: {
      trees,
      learningRate,
      maxLeaves: leaves,
      minLeafRows: leafRows,
      ...(packed ? { earlyStopping: 20 } : {}),
    },
    reportEvery: Math.ceil(trees / reports),
    pack: packed ? { directory, featureService: { name, digest }, runId } : null,
  };
}

/** A new run, or for the final model the one that an interruption left. */
async function track({ registry, signal }: TrainingBench, start: TreesStart): Promise<RunHandle> {
  const { name, train, validation, causedBy, packed } = start;
  const running = packed ? await registry.runs({ experiment: "late", status: "running", signal }) : [];
  const left = running.find((run) => run.name === name);
  const resumed = left === undefined ? undefined : await registry.resumeRun?.(left.id, { signal });
  if (resumed !== undefined) return resumed;
  const from = [
    { kind: "dataset" as const, id: train.digest, name: "train" },
    { kind: "dataset" as const, id: validation.digest, name: "validation" },
  ];
  return registry.startRun({ experiment: "late", name, from, causedBy });
}
