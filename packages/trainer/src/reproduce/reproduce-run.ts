import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type {
  CallOptions,
  DatasetRef,
  IdSource,
  JobHandle,
  JobLauncher,
  JobLimits,
  JsonValue,
} from "@millwright/contracts";
import { digestBatches } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { inputInvalid, recordMissing } from "../errors.ts";
import { jobValue } from "../job-value.ts";
import type { RunSummary, TrainingRequest } from "../run-messages.ts";
import {
  differencesBetween,
  readRecord,
  type RecordDifference,
  type RecordedResult,
  type RunRecord,
} from "./run-record.ts";

export interface ReproduceOptions extends CallOptions {
  /** Where the run is done again; it must not be there. Default: a temporary folder, removed afterwards. */
  readonly directory?: string | undefined;
  /** Another seed than the run's. Default: the run's. */
  readonly seed?: number | undefined;
  readonly limits?: JobLimits | undefined;
  readonly resources?: { readonly cpus?: number | undefined; readonly gpus?: number | undefined } | undefined;
  /** Environment of the process, beside the variables that the record names. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** What came of doing a run again. */
export interface ReproduceReport {
  /** Whether the model package has the same digest: every byte of it and of its manifest. */
  readonly identical: boolean;
  /** Whether the weights are the same, bit for bit, whatever the manifest says of where they were made. */
  readonly sameWeights: boolean;
  readonly was: RecordedResult;
  readonly is: RecordedResult;
  /** What is not as it was, by name: any of it may be why. */
  readonly differences: readonly RecordDifference[];
}

interface ReproduceSetting {
  readonly jobs: JobLauncher;
  /** The folder of all runs. */
  readonly root: string;
  readonly ids: IdSource;
  readonly runModule: string;
}

/**
 * Does a run again from its record, with the same request, and compares. What a manifest has of time and run (`createdTimeMs`, `runId`) is replayed, not left out,
 * so that its digest can be the same.
 */
export async function reproduceRun(
  run: string,
  options: ReproduceOptions,
  setting: ReproduceSetting,
): Promise<ReproduceReport> {
  const { signal, seed } = options;
  signal?.throwIfAborted();
  if (seed !== undefined && !Number.isInteger(seed)) throw inputInvalid("seed", seed, "a whole number");
  const from = /[\\/]/.test(run) || isAbsolute(run) ? resolve(run) : join(setting.root, run);
  const record = await readRecord(from);
  if (record?.result === undefined) throw recordMissing(from);
  const directory = await placeOf(options);
  try {
    const again = await doAgain(record, { ...options, directory }, setting);
    const facts = { ...again.facts, ...(await dataFacts(record.request, signal)) };
    const differences = differencesBetween(record.facts, facts);
    const { result: was } = record;
    const { result: is } = again;
    const sameWeights = was.weightsDigest === is.weightsDigest;
    return { identical: was.digest !== undefined && was.digest === is.digest, sameWeights, was, is, differences };
  } finally {
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function placeOf({ directory }: ReproduceOptions): Promise<string> {
  if (directory === undefined) return mkdtemp(join(tmpdir(), "millwright-reproduce-"));
  const place = resolve(directory);
  const there = await access(place).then(
    () => true,
    () => false,
  );
  if (there) throw inputInvalid("directory", directory, "a folder that is not there");
  return place;
}

async function doAgain(
  { request, facts }: RunRecord,
  { directory, seed, signal, limits, resources, environment }: ReproduceOptions & { readonly directory: string },
  { jobs, ids, runModule }: ReproduceSetting,
): Promise<RunRecord & { readonly result: NonNullable<RunRecord["result"]> }> {
  const input: TrainingRequest = { ...request, directory, seed: seed ?? request.seed, awaitVerdict: false };
  const job = await jobs.launch({
    id: ids.next(),
    run: { module: runModule, input: input as unknown as JsonValue },
    retries: 0,
    limits,
    resources,
    environment: { ...variablesIn(facts), ...environment },
  });
  await endOf(job, signal);
  const again = await readRecord(directory);
  if (again?.result === undefined) throw recordMissing(directory);
  return { ...again, result: again.result };
}

/** Those of the record that a process is given; which GPUs it has is its launcher's affair. */
const variablesIn = (facts: RunRecord["facts"]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => {
      const variable = /^variable\.(.+)$/.exec(name)?.[1];
      return variable === undefined || variable === "CUDA_VISIBLE_DEVICES" ? [] : [[variable, value]];
    }),
  );

const endOf = async (job: JobHandle, signal: AbortSignal | undefined): Promise<RunSummary> =>
  (await jobValue(job, "The signal of this reproduction was aborted.", signal)) as unknown as RunSummary;

/** The digests that the data has now. */
async function dataFacts(
  { train, validation }: TrainingRequest,
  signal: AbortSignal | undefined,
): Promise<Readonly<Record<string, string>>> {
  const duckdb = await openDuckDb();
  try {
    // Not the dataset's own `digest`, which refuses another than the reference has.
    const digestOf = (ref: DatasetRef): Promise<string> =>
      digestBatches(ref.schema, duckdb.openRef(ref).batches({ signal }));
    return {
      "data.train": await digestOf(train),
      ...(validation === null ? {} : { "data.validation": await digestOf(validation) }),
    };
  } finally {
    await duckdb[Symbol.asyncDispose]();
  }
}
