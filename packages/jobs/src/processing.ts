import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type Digest,
  digestOfJson,
  type JobLauncher,
  type JobResult,
  type JobSpec,
  isFinalJobState,
  type JsonValue,
  systemClock,
} from "@millwright/contracts";
import {
  checkInputs,
  checkNames,
  codeDigest,
  type DirectoryJobOptions,
  endedBefore,
  follow,
  keepFiles,
  lineageOf,
  stageOnce,
} from "./directory-job.ts";
import { specInvalid } from "./errors.ts";
import type { MetricSeries } from "./metric-series.ts";
import { filesBelow, type JobFiles, type JobInput, makeEmpty, stageInput, writeJson } from "./job-files.ts";

/** A job that makes named outputs of named inputs. */
export interface ProcessingSpec extends Pick<
  JobSpec,
  "id" | "environment" | "limits" | "resources" | "retries" | "metrics"
> {
  /**
   * A module, whose input is `ProcessingContext`, or a command, which finds its folders below `$MILLWRIGHT_PROCESSING_DIRECTORY`. Either writes its
   * failure to `$MILLWRIGHT_JOB_OUTPUT/failure`.
   */
  readonly run:
    | { readonly module: string; readonly parameters?: JsonValue | undefined }
    | { readonly command: readonly [string, ...string[]] };
  /** A folder for this job alone, wherever there is room: it holds `input/<name>/`, `output/<name>/` and `processing.json`. */
  readonly directory: string;
  readonly inputs?: Readonly<Record<string, JobInput>> | undefined;
  /** By name; a job that ends well with an output of no file has failed, unless it is optional. */
  readonly outputs?: Readonly<Record<string, ProcessingOutput>> | undefined;
}

export interface ProcessingOutput {
  /** Whether it may be empty. Default: false. */
  readonly optional?: boolean | undefined;
}

/** What a module that runs as a processing job is given as its input. */
export interface ProcessingContext {
  /** Folder of each input and of each output, by name; absolute. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** As the spec says; null where it says nothing. */
  readonly parameters: JsonValue;
}

export type ProcessingOptions = DirectoryJobOptions;

/** How a processing job ended; kept as `processing.json` in its directory, unless it was interrupted and may go on. */
export interface ProcessingResult extends Omit<JobResult, "attempts"> {
  readonly formatVersion: 1;
  readonly id: string;
  /** 0 where the job was found to have failed before it ran. */
  readonly attempts: number;
  /** What was run: of a module, the digest of its file; of a command, of its words. */
  readonly code: Digest;
  readonly inputs: Readonly<Record<string, JobFiles>>;
  /** Of a job that did not complete, what it had written by then. */
  readonly outputs: Readonly<Record<string, JobFiles>>;
  /** What the job said of its metrics. */
  readonly metrics: MetricSeries;
  readonly endedAtMs: number;
}

/**
 * Copies the inputs into the job's directory, runs the job, and digests what it made. A job that fails is a result: its `failureReason` is the first 1,024
 * characters of what it wrote as its failure. Run again with the same spec, a job that has ended is not run again, and one that goes on is waited for.
 * On abort the job is stopped, and the call rejects with `signal.reason`.
 *
 * Throws `JOBS_SPEC_INVALID`, `JOBS_INPUT_MISSING`, `JOBS_DIRECTORY_TAKEN`, and what the launcher and the stores throw.
 */
export async function runProcessing(
  launcher: JobLauncher,
  spec: ProcessingSpec,
  options: ProcessingOptions = {},
): Promise<ProcessingResult> {
  const { signal, clock = systemClock } = options;
  signal?.throwIfAborted();
  checkProcessing(spec, options.artifacts);
  const root = resolve(spec.directory);
  const identity = identityOf(spec);
  const ended = await endedBefore(root, spec.id, identity, "processing.json");
  if (ended !== undefined) return ended as ProcessingResult;
  const { inputs } = await stageOnce(root, identity, () => stage(root, spec, options));
  const job = await launcher.launch(jobOf(root, spec), { signal });
  const { result, metrics } = await follow(job, options);
  const outputs = await collectOutputs(root, spec);
  const missing = Object.entries(spec.outputs ?? {}).find(
    ([name, { optional = false }]) => !optional && outputs[name]?.files.length === 0,
  );
  const verdict: JobResult =
    result.state === "completed" && missing !== undefined
      ? {
          ...result,
          state: "failed",
          failureReason: `The output "${missing[0]}" holds no file.`,
          failureCategory: "user",
        }
      : result;
  const code = await codeDigest(spec.run);
  const processed: ProcessingResult = {
    formatVersion: 1,
    id: spec.id,
    ...verdict,
    code,
    inputs,
    outputs,
    metrics,
    endedAtMs: clock.nowMs(),
  };
  // A job that was interrupted goes on under the next call.
  if (!isFinalJobState(verdict.state)) return processed;
  if (verdict.state === "completed")
    for (const [name, folder] of Object.entries(foldersOf(root, "output", spec.outputs)))
      await keepFiles(folder, outputs[name] as JobFiles, options);
  await options.events?.append([
    { source: "millwright/jobs", type: "job.processed", subject: spec.id, data: lineageOf(processed, inputs, outputs) },
  ]);
  await writeJson(join(root, "processing.json"), { spec: digestOfJson(identity), result: processed });
  return processed;
}

function checkProcessing(
  { inputs = {}, outputs = {}, directory }: ProcessingSpec,
  artifacts: ProcessingOptions["artifacts"],
): void {
  checkNames("inputs", inputs);
  checkNames("outputs", outputs);
  if (directory === "") throw specInvalid("directory", directory, "a folder");
  checkInputs("inputs", inputs, artifacts);
}

/** What makes two specs the same work; limits and secrets may be other ones the next time. */
const identityOf = ({ id, run, inputs, outputs }: ProcessingSpec): object => ({
  id,
  run,
  inputs: inputs ?? {},
  outputs: outputs ?? {},
});

/** Puts the inputs in their folders. */
async function stage(
  root: string,
  spec: ProcessingSpec,
  { artifacts, signal }: ProcessingOptions,
): Promise<{ readonly inputs: Readonly<Record<string, JobFiles>> }> {
  await rm(join(root, "input"), { recursive: true, force: true });
  const inputs: Record<string, JobFiles> = {};
  for (const [name, input] of Object.entries(spec.inputs ?? {})) {
    const folder = join(root, "input", name);
    await stageInput(name, input, folder, { artifacts, signal });
    inputs[name] = await filesBelow(folder);
  }
  for (const folder of Object.values(foldersOf(root, "output", spec.outputs))) await makeEmpty(folder);
  return { inputs };
}

function foldersOf(root: string, kind: "input" | "output", named: object | undefined): Record<string, string> {
  return Object.fromEntries(Object.keys(named ?? {}).map((name) => [name, join(root, kind, name)]));
}

function jobOf(root: string, spec: ProcessingSpec): JobSpec {
  const { id, run, environment, limits, resources, retries, metrics } = spec;
  const context: ProcessingContext = {
    inputs: foldersOf(root, "input", spec.inputs),
    outputs: foldersOf(root, "output", spec.outputs),
    parameters: "module" in run ? (run.parameters ?? null) : null,
  };
  return {
    id,
    run: "module" in run ? { module: run.module, input: context as unknown as JsonValue } : run,
    environment: { ...environment, MILLWRIGHT_PROCESSING_DIRECTORY: root },
    limits,
    resources,
    retries,
    metrics,
  };
}

async function collectOutputs(root: string, { outputs = {} }: ProcessingSpec): Promise<Record<string, JobFiles>> {
  const collected: Record<string, JobFiles> = {};
  for (const [name, folder] of Object.entries(foldersOf(root, "output", outputs)))
    collected[name] = await filesBelow(folder);
  return collected;
}
