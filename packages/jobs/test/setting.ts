import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobEvent, JobHandle, JobSpec, JobState, JsonValue } from "@millwright/contracts";
import { type Jobs, type JobsOptions, openJobs } from "@millwright/jobs";

export const fixture = (name: string): string => new URL(`./fixtures/${name}`, import.meta.url).href;

/** The spec of a job that runs the worker fixture. */
export const work = (id: string, input: JsonValue, more: Partial<JobSpec> = {}): JobSpec => ({
  id,
  run: { module: fixture("worker.js"), input },
  ...more,
});

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "millwright-jobs-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** A launcher in a folder of its own; both are gone afterwards. */
export async function openTestJobs(
  options: Partial<JobsOptions> = {},
): Promise<{ readonly jobs: Jobs } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const jobs = await openJobs({
    directory: folder.path,
    maxCpus: 8,
    retryDelayMs: 10,
    // On a busy machine a test may take long enough to be measured.
    telemetryMs: 0,
    ...options,
  });
  return {
    jobs,
    async [Symbol.asyncDispose]() {
      await jobs[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Body of the first message. */
export async function firstMessage(events: AsyncIterable<JobEvent>): Promise<JsonValue> {
  for await (const event of events) if (event.kind === "message") return event.body;
  throw new Error("The job ended without a message.");
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return true;
}

/** Waits until the job was seen in a state. */
export async function reach(job: JobHandle, wanted: JobState): Promise<void> {
  for await (const event of job.events()) if (event.kind === "state" && event.state === wanted) return;
  throw new Error(`The job ended without being ${wanted}.`);
}

/** Children of this process that ended and were not waited for; empty where there is no /proc. */
export function zombies(): readonly string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "Z" && Number(parent) === process.pid;
    } catch {
      return false;
    }
  });
}
