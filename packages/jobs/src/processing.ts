import { createReadStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type Digest,
  digestOf,
  digestOfJson,
  type EntityReference,
  type EventLog,
  type JobEvent,
  type JobHandle,
  type JobLauncher,
  type JobResult,
  type JobSpec,
  isFinalJobState,
  type JsonValue,
  systemClock,
} from "@millwright/contracts";
import { processingDirectoryTaken, specInvalid } from "./errors.ts";
import {
  filesBelow,
  makeEmpty,
  type ProcessingFiles,
  type ProcessingInput,
  readJson,
  stageInput,
  writeJson,
} from "./processing-files.ts";

/** A job that makes named outputs of named inputs. */
export interface ProcessingSpec extends Pick<JobSpec, "id" | "environment" | "limits" | "resources" | "retries"> {
  /**
   * A module, whose input is `ProcessingContext`, or a command, which finds its folders below `$MILLWRIGHT_PROCESSING_DIRECTORY`. Either writes its
   * failure to `$MILLWRIGHT_JOB_OUTPUT/failure`.
   */
  readonly run:
    | { readonly module: string; readonly parameters?: JsonValue | undefined }
    | { readonly command: readonly [string, ...string[]] };
  /** A folder for this job alone, wherever there is room: it holds `input/<name>/`, `output/<name>/` and `processing.json`. */
  readonly directory: string;
  readonly inputs?: Readonly<Record<string, ProcessingInput>> | undefined;
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

export interface ProcessingOptions extends CallOptions {
  /** Where inputs that are artifacts come from, and where the files of outputs go; without it, outputs stay in their folders alone. */
  readonly artifacts?: Pick<ArtifactStore, "put" | "open"> | undefined;
  /** Told `job.processed` when the job has ended, with what was made from what; again only where this process dies right after. Default: nobody is. */
  readonly events?: Pick<EventLog, "append"> | undefined;
  /** Called with every state and every line of the job. Default: nobody is told. */
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** How a processing job ended; kept as `processing.json` in its directory, unless it was interrupted and may go on. */
export interface ProcessingResult extends Omit<JobResult, "attempts"> {
  readonly formatVersion: 1;
  readonly id: string;
  /** 0 where the job was found to have failed before it ran. */
  readonly attempts: number;
  /** What was run: of a module, the digest of its file; of a command, of its words. */
  readonly code: Digest;
  readonly inputs: Readonly<Record<string, ProcessingFiles>>;
  /** Of a job that did not complete, what it had written by then. */
  readonly outputs: Readonly<Record<string, ProcessingFiles>>;
  readonly endedAtMs: number;
}

/**
 * Copies the inputs into the job's directory, runs the job, and digests what it made. A job that fails is a result: its `failureReason` is the first 1,024
 * characters of what it wrote as its failure. Run again with the same spec, a job that has ended is not run again, and one that goes on is waited for.
 * On abort the job is stopped, and the call rejects with `signal.reason`.
 *
 * Throws `JOBS_SPEC_INVALID`, `JOBS_PROCESSING_INPUT_MISSING`, `JOBS_PROCESSING_DIRECTORY_TAKEN`, and what the launcher and the stores throw.
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
  const ended = await endedBefore(root, spec);
  if (ended !== undefined) return ended;
  const inputs = await stage(root, spec, options);
  const job = await launcher.launch(jobOf(root, spec), { signal });
  const result = await follow(job, options);
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
  const code = await codeDigest(spec);
  const processed: ProcessingResult = {
    formatVersion: 1,
    id: spec.id,
    ...verdict,
    code,
    inputs,
    outputs,
    endedAtMs: clock.nowMs(),
  };
  // A job that was interrupted goes on under the next call.
  if (!isFinalJobState(verdict.state)) return processed;
  if (verdict.state === "completed") await keep(root, processed, options);
  await options.events?.append([
    { source: "millwright/jobs", type: "job.processed", subject: spec.id, data: lineageOf(processed) },
  ]);
  await writeJson(join(root, "processing.json"), { spec: digestOfJson(identityOf(spec)), result: processed });
  return processed;
}

const nameRule = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

function checkProcessing(
  { inputs = {}, outputs = {}, directory }: ProcessingSpec,
  artifacts: ProcessingOptions["artifacts"],
): void {
  const rule = "letters, digits, `_`, `.` and `-`, at most 100, not beginning with `.` or `-`";
  for (const name of Object.keys(inputs))
    if (!nameRule.test(name)) throw specInvalid("inputs", name, `by names of ${rule}`);
  for (const name of Object.keys(outputs))
    if (!nameRule.test(name)) throw specInvalid("outputs", name, `by names of ${rule}`);
  if (directory === "") throw specInvalid("directory", directory, "a folder");
  for (const [name, input] of Object.entries(inputs)) {
    if ("path" in input) continue;
    if (artifacts === undefined)
      throw specInvalid(`inputs.${name}`, input.digest, "a path, or `artifacts` given as an option");
    if (input.fileName !== undefined && !nameRule.test(input.fileName))
      throw specInvalid(`inputs.${name}.fileName`, input.fileName, `of ${rule}`);
  }
}

/** What makes two specs the same work; limits and secrets may be other ones the next time. */
const identityOf = ({ id, run, inputs, outputs }: ProcessingSpec): object => ({
  id,
  run,
  inputs: inputs ?? {},
  outputs: outputs ?? {},
});

/** @returns the result of the same job where it has ended before. Throws `JOBS_PROCESSING_DIRECTORY_TAKEN` where another one has the directory. */
async function endedBefore(root: string, spec: ProcessingSpec): Promise<ProcessingResult | undefined> {
  const identity = digestOfJson(identityOf(spec));
  for (const file of ["processing.json", "staged.json"]) {
    const kept = (await readJson(join(root, file))) as
      | { readonly spec?: string; readonly result?: ProcessingResult }
      | undefined;
    if (kept === undefined) continue;
    if (kept.spec !== identity) throw processingDirectoryTaken(root, spec.id);
    return kept.result;
  }
  return undefined;
}

/** Puts the inputs in their folders, once: a job that goes on after a crash of ours must find what it began with. */
async function stage(
  root: string,
  spec: ProcessingSpec,
  { artifacts, signal }: ProcessingOptions,
): Promise<Readonly<Record<string, ProcessingFiles>>> {
  const path = join(root, "staged.json");
  const before = (await readJson(path)) as { readonly inputs: Record<string, ProcessingFiles> } | undefined;
  if (before !== undefined) return before.inputs;
  await rm(join(root, "input"), { recursive: true, force: true });
  const inputs: Record<string, ProcessingFiles> = {};
  for (const [name, input] of Object.entries(spec.inputs ?? {})) {
    const folder = join(root, "input", name);
    await stageInput(name, input, folder, { artifacts, signal });
    inputs[name] = await filesBelow(folder);
  }
  for (const folder of Object.values(foldersOf(root, "output", spec.outputs))) await makeEmpty(folder);
  await writeJson(path, { spec: digestOfJson(identityOf(spec)), inputs });
  return inputs;
}

function foldersOf(root: string, kind: "input" | "output", named: object | undefined): Record<string, string> {
  return Object.fromEntries(Object.keys(named ?? {}).map((name) => [name, join(root, kind, name)]));
}

function jobOf(root: string, spec: ProcessingSpec): JobSpec {
  const { id, run, environment, limits, resources, retries } = spec;
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
  };
}

async function follow(job: JobHandle, { signal, onEvent }: ProcessingOptions): Promise<JobResult> {
  const telling = (async () => {
    if (onEvent !== undefined) for await (const event of job.events()) onEvent(event);
  })();
  try {
    const result = await job.result({ signal });
    await telling;
    return result;
  } catch (error) {
    if (signal?.aborted === true) await job.stop("The processing was aborted.");
    await telling.catch(() => {});
    throw error;
  }
}

async function collectOutputs(
  root: string,
  { outputs = {} }: ProcessingSpec,
): Promise<Record<string, ProcessingFiles>> {
  const collected: Record<string, ProcessingFiles> = {};
  for (const [name, folder] of Object.entries(foldersOf(root, "output", outputs)))
    collected[name] = await filesBelow(folder);
  return collected;
}

async function codeDigest({ run }: ProcessingSpec): Promise<Digest> {
  if ("command" in run) return digestOfJson(run.command);
  return digestOf(await readFile(fileURLToPath(run.module)).catch(() => run.module));
}

async function keep(
  root: string,
  { outputs }: ProcessingResult,
  { artifacts, signal }: ProcessingOptions,
): Promise<void> {
  if (artifacts === undefined) return;
  for (const [name, { files }] of Object.entries(outputs)) {
    for (const { path } of files) await artifacts.put(createReadStream(join(root, "output", name, path)), { signal });
  }
}

function lineageOf({ id, code, inputs, outputs, state, exitCode, failureReason }: ProcessingResult): {
  readonly made: readonly EntityReference[];
  readonly from: readonly EntityReference[];
  readonly state: string;
} {
  const artifactsOf = (all: Readonly<Record<string, ProcessingFiles>>): readonly EntityReference[] =>
    Object.entries(all).flatMap(([name, { files }]) =>
      files.map(({ path, digest }): EntityReference => ({ kind: "artifact", id: digest, name: `${name}/${path}` })),
    );
  return {
    made: state === "completed" ? artifactsOf(outputs) : [],
    from: [...artifactsOf(inputs), { kind: "code", id: code }, { kind: "job", id }],
    state,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(failureReason === undefined ? {} : { failureReason }),
  };
}
