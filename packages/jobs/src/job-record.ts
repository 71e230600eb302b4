import { type FileHandle, mkdir, open, readFile, rename, rm, truncate } from "node:fs/promises";
import { basename, join } from "node:path";
import type { JobResult, JobSpec, JobState } from "@millwright/contracts";
import { recordCorrupt, writeFailure } from "./errors.ts";
import type { ProcessIdentity } from "./process-tree.ts";
import type { FailedAttempt } from "./supervision/retry-policy.ts";

/** A line of `state.ndjson`: the job came into a state, or an attempt got its process. */
export type RecordLine =
  | {
      readonly formatVersion: 1;
      readonly kind: "state";
      /** Place among all events of the job. */
      readonly sequence: number;
      readonly state: JobState;
      readonly timeMs: number;
      readonly reason?: string | undefined;
      /** Attempts begun so far. */
      readonly attempts: number;
      /** What the environment of the attempt's processes carries, so that they are found again. */
      readonly mark?: string | undefined;
      /** Of the attempt that ended with this state, where it failed. */
      readonly failure?: FailedAttempt | undefined;
      /** How the job ended, in the line of its last state. */
      readonly result?: JobResult | undefined;
    }
  | ({ readonly formatVersion: 1; readonly kind: "process" } & ProcessIdentity)
  | ({ readonly formatVersion: 1; readonly kind: "remote" } & RemoteAttempt);

/** An attempt that is, or is about to be, in a cluster. */
export interface RemoteAttempt {
  /** From 1. */
  readonly attempt: number;
  /** What its output carries before our own lines. */
  readonly mark: string;
  /** What the cluster calls it; absent until its answer is here. */
  readonly reference?: string | undefined;
}

export type StateLine = Extract<RecordLine, { kind: "state" }>;

/** A job's durable record: what `append` resolved for survives a crash. */
export interface JobRecord {
  readonly directory: string;
  readonly spec: JobSpec;
  /** Tells the job from every other, those of the same id in other folders included. */
  readonly key: string;
  readonly states: readonly StateLine[];
  /** Process of the last attempt, if it came so far. */
  readonly process: ProcessIdentity | undefined;
  /** The last attempt that was, or was about to be, submitted to a cluster. */
  readonly remote: RemoteAttempt | undefined;
  append(line: RecordLine): Promise<void>;
  close(): Promise<void>;
}

const specName = "spec.json";
const stateName = "state.ndjson";

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return; // it has no such thing
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes the spec whole or not at all; the job exists once its first state is appended.
 * Throws `JOBS_WRITE_FAILED` where the disk is full or refuses, and leaves no folder of the job then.
 */
export async function createJobRecord(directory: string, spec: JobSpec, key: string): Promise<JobRecord> {
  try {
    return await writeRecord(directory, spec, key);
  } catch (error) {
    await rm(directory, { recursive: true, force: true }).catch(() => {});
    throw writeFailure(directory, error);
  }
}

async function writeRecord(directory: string, spec: JobSpec, key: string): Promise<JobRecord> {
  await mkdir(join(directory, "work", "output"), { recursive: true, mode: 0o700 });
  const draft = join(directory, `${specName}.draft`);
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify({ formatVersion: 1, spec, key }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, join(directory, specName));
  const states = await open(join(directory, stateName), "a", 0o600);
  await syncDirectory(directory);
  await syncDirectory(join(directory, ".."));
  return recordOf(directory, { spec, key }, [], states);
}

/** Reads a job's record back; undefined where a crash came before the job's first state. Throws `JOBS_RECORD_CORRUPT`. */
export async function openJobRecord(directory: string): Promise<JobRecord | undefined> {
  const found = await readRecord(directory);
  if (found === undefined) return undefined;
  const { spec, key, lines, wholeBytes, cut } = found;
  const statePath = join(directory, stateName);
  // What a crash cut short was never promised to anybody.
  if (cut) await truncate(statePath, wholeBytes);
  return recordOf(directory, { spec, key }, lines, await open(statePath, "a", 0o600));
}

/** What a job's record says now, left as it is: of a job that is at work somewhere, what it said a moment ago. Throws `JOBS_RECORD_CORRUPT`. */
export async function readJobRecord(
  directory: string,
): Promise<Pick<JobRecord, "spec" | "key" | "states"> | undefined> {
  const found = await readRecord(directory);
  if (found === undefined) return undefined;
  const { spec, key, lines } = found;
  return { spec, key, states: lines.filter((line) => line.kind === "state") };
}

interface FoundRecord {
  readonly spec: JobSpec;
  readonly key: string;
  readonly lines: readonly RecordLine[];
  readonly wholeBytes: number;
  /** Whether the beginning of another line follows the whole ones. */
  readonly cut: boolean;
}

async function readRecord(directory: string): Promise<FoundRecord | undefined> {
  const specPath = join(directory, specName);
  const statePath = join(directory, stateName);
  const specText = await readIfThere(specPath);
  const stateText = await readIfThere(statePath);
  if (specText === undefined || stateText === undefined) return undefined;
  const whole = stateText.slice(0, stateText.lastIndexOf("\n") + 1);
  if (whole === "") return undefined;
  const lines = whole
    .split("\n")
    .slice(0, -1)
    .map((line) => parseLine(statePath, line));
  const { spec, key } = parseSpec(specPath, specText);
  return {
    spec,
    // Releases before events gave no key; the folder's name and the time of its first state tell such a job from others.
    key: key ?? `${basename(directory)}/${firstTimeOf(lines)}`,
    lines,
    wholeBytes: Buffer.byteLength(whole),
    cut: whole.length !== stateText.length,
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function parseVersioned(path: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw recordCorrupt(path, `"${text.slice(0, 60)}" is not JSON`, error);
  }
  if (typeof value !== "object" || value === null || !("formatVersion" in value)) {
    throw recordCorrupt(path, "it has no format version");
  }
  if (value.formatVersion !== 1)
    throw recordCorrupt(path, `its format version is ${String(value.formatVersion)}, not 1`);
  return value;
}

function parseSpec(path: string, text: string): { readonly spec: JobSpec; readonly key: string | undefined } {
  const value = parseVersioned(path, text);
  if (!("spec" in value)) throw recordCorrupt(path, "it has no spec");
  return { spec: value.spec as JobSpec, key: "key" in value ? String(value.key) : undefined };
}

const firstTimeOf = (lines: readonly RecordLine[]): number =>
  lines.find((line): line is StateLine => line.kind === "state")?.timeMs ?? 0;

function parseLine(path: string, text: string): RecordLine {
  const value = parseVersioned(path, text);
  if (!("kind" in value) || !["state", "process", "remote"].includes(String(value.kind))) {
    throw recordCorrupt(path, "a line is neither a state nor a process nor an attempt in a cluster");
  }
  return value as RecordLine;
}

function recordOf(
  directory: string,
  { spec, key }: Pick<JobRecord, "spec" | "key">,
  lines: readonly RecordLine[],
  file: FileHandle,
): JobRecord {
  const states: StateLine[] = [];
  let process: ProcessIdentity | undefined;
  let remote: RemoteAttempt | undefined;
  const take = (line: RecordLine): void => {
    if (line.kind === "remote") remote = line;
    else if (line.kind === "process") process = { pid: line.pid, startTicks: line.startTicks };
    else {
      if (line.state === "starting") process = undefined;
      states.push(line);
    }
  };
  for (const line of lines) take(line);
  let writing: Promise<void> = Promise.resolve();
  const write = async (line: RecordLine): Promise<void> => {
    const { size } = await file.stat();
    try {
      await file.appendFile(`${JSON.stringify(line)}\n`);
      await file.datasync();
    } catch (error) {
      await file.truncate(size).catch(() => {}); // the next line must not follow half of this one
      throw writeFailure(join(directory, stateName), error);
    }
    take(line);
  };
  return {
    directory,
    spec,
    key,
    states,
    get process() {
      return process;
    },
    get remote() {
      return remote;
    },
    append(line) {
      const done = writing.then(() => write(line));
      writing = done.catch(() => {});
      return done;
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}
