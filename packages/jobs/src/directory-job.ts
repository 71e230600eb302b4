import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
  type JobResult,
  type JobSpec,
} from "@millwright/contracts";
import { directoryTaken, specInvalid } from "./errors.ts";
import { createSeriesBuilder, type MetricSeries, seriesOfJson } from "./metric-series.ts";
import { type JobFiles, type JobInput, readJson, writeJson } from "./job-files.ts";

/** What is given beside the spec of a job that has a directory of its own. */
export interface DirectoryJobOptions extends CallOptions {
  /** Where inputs that are artifacts come from, and where the files that the job made go; without it, they stay in their folders alone. */
  readonly artifacts?: Pick<ArtifactStore, "put" | "open"> | undefined;
  /** Told `job.processed` when the job has ended, with what was made from what; again only where this process dies right after. Default: nobody is. */
  readonly events?: Pick<EventLog, "append"> | undefined;
  /** Called with every state and every line of the job. Default: nobody is told. */
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

const nameRule = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
const nameRuleText = "letters, digits, `_`, `.` and `-`, at most 100, not beginning with `.` or `-`";

/** Names become folders. Throws `JOBS_SPEC_INVALID`. */
export function checkNames(field: string, named: object): void {
  for (const name of Object.keys(named))
    if (!nameRule.test(name)) throw specInvalid(field, name, `by names of ${nameRuleText}`);
}

/** Throws `JOBS_SPEC_INVALID`. */
export function checkInputs(
  field: string,
  inputs: Readonly<Record<string, JobInput>>,
  artifacts: DirectoryJobOptions["artifacts"],
): void {
  checkNames(field, inputs);
  for (const [name, input] of Object.entries(inputs)) {
    if ("path" in input) {
      if (typeof input.path === "string") continue;
      throw specInvalid(`${field}.${name}.path`, input.path, "the path of a file or a folder");
    }
    if (artifacts === undefined)
      throw specInvalid(`${field}.${name}`, input.digest, "a path, or `artifacts` given as an option");
    if (input.fileName !== undefined && !nameRule.test(input.fileName))
      throw specInvalid(`${field}.${name}.fileName`, input.fileName, `of ${nameRuleText}`);
  }
}

/**
 * @param identity What makes two specs the same work. @param file Where the result is kept.
 * @returns the result of the same job where it has ended before. Throws `JOBS_DIRECTORY_TAKEN` where another one has the directory.
 */
export async function endedBefore(
  root: string,
  id: string,
  identity: object,
  file: string,
): Promise<object | undefined> {
  const digest = digestOfJson(identity);
  for (const name of [file, "staged.json"]) {
    const kept = (await readJson(join(root, name))) as
      | { readonly spec?: string; readonly result?: { readonly metrics: MetricSeries } }
      | undefined;
    if (kept === undefined) continue;
    if (kept.spec !== digest) throw directoryTaken(root, id);
    return kept.result === undefined ? undefined : { ...kept.result, metrics: seriesOfJson(kept.result.metrics) };
  }
  return undefined;
}

/** Prepares the directory once: a job that goes on after a crash of ours must find what it began with. */
export async function stageOnce<Staged extends object>(
  root: string,
  identity: object,
  stage: () => Promise<Staged>,
): Promise<Staged> {
  const path = join(root, "staged.json");
  const before = (await readJson(path)) as Staged | undefined;
  if (before !== undefined) return before;
  const staged = await stage();
  await writeJson(path, { spec: digestOfJson(identity), ...staged });
  return staged;
}

/** How a job ended, and what it said of its metrics. */
export interface Followed {
  readonly result: JobResult;
  readonly metrics: MetricSeries;
}

/** Waits for the job and tells of it meanwhile; on abort the job is stopped. */
export async function follow(
  job: JobHandle,
  { signal, onEvent }: Pick<DirectoryJobOptions, "signal" | "onEvent">,
): Promise<Followed> {
  const builder = createSeriesBuilder();
  const telling = (async () => {
    for await (const event of job.events()) {
      builder.add(event);
      onEvent?.(event);
    }
  })();
  try {
    const result = await job.result({ signal });
    await telling;
    return { result, metrics: builder.series() };
  } catch (error) {
    if (signal?.aborted === true) await job.stop("The caller aborted the job.");
    await telling.catch(() => {});
    throw error;
  }
}

/** Of a module, the digest of its file; of a command, of its words. */
export async function codeDigest(run: JobSpec["run"]): Promise<Digest> {
  if ("command" in run) return digestOfJson(run.command);
  return digestOf(await readFile(fileURLToPath(run.module)).catch(() => run.module));
}

/** Puts every file of a folder into the artifact store, if there is one. */
export async function keepFiles(
  folder: string,
  { files }: JobFiles,
  { artifacts, signal }: Pick<DirectoryJobOptions, "artifacts" | "signal">,
): Promise<void> {
  if (artifacts === undefined) return;
  for (const { path } of files) await artifacts.put(createReadStream(join(folder, path)), { signal });
}

/** What `job.processed` says of a job. */
export function lineageOf(
  { id, code, state, exitCode, failureReason }: JobResult & { readonly id: string; readonly code: Digest },
  inputs: Readonly<Record<string, JobFiles>>,
  outputs: Readonly<Record<string, JobFiles>>,
): {
  readonly made: readonly EntityReference[];
  readonly from: readonly EntityReference[];
  readonly state: string;
} {
  const artifactsOf = (all: Readonly<Record<string, JobFiles>>): readonly EntityReference[] =>
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
