import type { ChildProcess } from "node:child_process";
import { statSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Clock, digestOfJson, type JobSpec } from "@millwright/contracts";
import { isAlive, type ProcessIdentity, signalTree } from "../process-tree.ts";
import type { Slot } from "../slots.ts";
import { clearTree } from "../tree-clearing.ts";

/** SageMaker's `WarmPoolStatus`: what became of the process that a job with `keepAliveMs` ran in. */
export interface WarmPoolStatus {
  /** `InUse` while the job runs in it, `Available` while it waits, `Reused` once another job has taken it, else `Terminated`. */
  readonly status: "InUse" | "Available" | "Reused" | "Terminated";
  /** SageMaker's `ResourceRetainedBillableTimeInSeconds`, in milliseconds: how long it has waited. */
  readonly retainedMs: number;
  /** The job that has taken it. */
  readonly reusedBy?: string | undefined;
  /** Of the process; absent where there is none yet. */
  readonly pid?: number | undefined;
}

/** A process that a job is over in, and another may run in. */
export interface WarmProcess {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  /** What its environment carries. */
  readonly mark: string;
}

interface Parked {
  readonly process: WarmProcess;
  readonly key: string;
  readonly jobId: string;
  readonly sinceMs: number;
  /** Devices, and the CPUs beside them, that stay the process's while it waits. */
  readonly slot: Slot | undefined;
  readonly timer: NodeJS.Timeout;
  readonly end: () => void;
}

/** What a process is kept for. */
export interface Keeping {
  readonly jobId: string;
  readonly key: string;
  readonly keepAliveMs: number;
  readonly slot: Slot | undefined;
}

export interface WarmPool {
  /** The process that waits for such a job, which it leaves the pool for, with its slot where it has one. */
  take(key: string, jobId: string): { readonly process: WarmProcess; readonly slot: Slot | undefined } | undefined;
  /** Keeps the process; false where the pool is full or closed, and the process must end. */
  park(process: WarmProcess, keeping: Keeping): boolean;
  /** Says that a job runs in a process that may be kept. */
  use(jobId: string, pid: number | undefined): void;
  /** Says that the process of a job has ended with it. */
  ended(jobId: string): void;
  /** Ends those that hold devices: others wait for them. */
  makeRoom(): void;
  status(jobId: string): WarmPoolStatus | undefined;
  close(): Promise<void>;
}

export interface WarmPoolOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly maxWarm: number;
}

const fileName = "warm-pool.json";
/** Of jobs that are long over, the oldest are forgotten. */
const rememberedJobs = 10_000;

class LocalWarmPool implements WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #parked = new Set<Parked>();
  readonly #statuses = new Map<string, WarmPoolStatus>();
  readonly #ending = new Set<Promise<void>>();
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  take(key: string, jobId: string): ReturnType<WarmPool["take"]> {
    const found = [...this.#parked].find((parked) => parked.key === key && isAlive(parked.process.identity));
    if (found === undefined) return undefined;
    this.#leave(found);
    this.#say(found.jobId, { ...this.#waited(found), status: "Reused", reusedBy: jobId });
    return found;
  }

  park(process: WarmProcess, { jobId, key, keepAliveMs, slot }: Keeping): boolean {
    if (this.#closed || this.#parked.size >= this.#options.maxWarm || !isAlive(process.identity)) return false;
    const end = (): void => this.#end(parked);
    const timer = setTimeout(end, keepAliveMs).unref();
    const parked: Parked = { process, key, jobId, slot, timer, end, sinceMs: this.#options.clock.monotonicMs() };
    this.#parked.add(parked);
    process.child.once("exit", end);
    slot?.lost?.addEventListener("abort", end, { once: true });
    this.#say(jobId, { status: "Available", retainedMs: 0, pid: process.identity.pid });
    this.#note();
    return true;
  }

  use(jobId: string, pid: number | undefined): void {
    this.#say(jobId, { status: "InUse", retainedMs: 0, ...(pid === undefined ? {} : { pid }) });
  }

  ended(jobId: string): void {
    const before = this.#statuses.get(jobId);
    if (before?.status === "InUse") this.#say(jobId, { ...before, status: "Terminated" });
  }

  makeRoom(): void {
    for (const parked of this.#parked) if (parked.slot !== undefined) this.#end(parked);
  }

  status(jobId: string): WarmPoolStatus | undefined {
    const waits = [...this.#parked].find((parked) => parked.jobId === jobId);
    const told = this.#statuses.get(jobId);
    return waits === undefined || told === undefined ? told : { ...told, ...this.#waited(waits) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const parked of this.#parked) this.#end(parked);
    await Promise.all(this.#ending);
    await this.#writing;
    await rm(join(this.#options.directory, fileName), { force: true });
  }

  #waited({ sinceMs, process }: Parked): Pick<WarmPoolStatus, "retainedMs" | "pid"> {
    return { retainedMs: this.#options.clock.monotonicMs() - sinceMs, pid: process.identity.pid };
  }

  #leave(parked: Parked): void {
    clearTimeout(parked.timer);
    this.#parked.delete(parked);
    parked.process.child.off("exit", parked.end);
    this.#note();
  }

  #end(parked: Parked): void {
    if (!this.#parked.has(parked)) return;
    this.#leave(parked);
    this.#say(parked.jobId, { ...this.#waited(parked), status: "Terminated" });
    const ending = endProcess(parked.process, this.#options.clock)
      .finally(() => parked.slot?.release())
      .catch(() => {});
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending));
  }

  #say(jobId: string, status: WarmPoolStatus): void {
    this.#statuses.delete(jobId);
    this.#statuses.set(jobId, status);
    const oldest = this.#statuses.size > rememberedJobs ? this.#statuses.keys().next().value : undefined;
    if (oldest !== undefined) this.#statuses.delete(oldest);
  }

  /** Those that wait, for a launcher that comes after a crash of this one; without it they end by themselves, where they can. */
  #note(): void {
    const path = join(this.#options.directory, fileName);
    this.#writing = this.#writing.then(async () => {
      const kept = [...this.#parked].map(({ process: { identity, mark } }) => ({ ...identity, mark }));
      await writeFile(path, JSON.stringify({ formatVersion: 1, processes: kept }), { mode: 0o600 }).catch(() => {});
    });
  }
}

export const openWarmPool = (options: WarmPoolOptions): WarmPool => new LocalWarmPool(options);

/** Ends a process that no job runs in, with all that is left of its jobs. */
export async function endProcess({ child, identity, mark }: WarmProcess, clock: Clock): Promise<void> {
  for (const stream of child.stdio) stream?.destroy();
  signalTree(identity.pid, mark, "SIGKILL");
  await clearTree(identity.pid, { mark, graceMs: 1, clock });
}

/** Ends the processes that a launcher of this directory kept when it died. */
export async function clearWarmPool(directory: string, clock: Clock): Promise<void> {
  const path = join(directory, fileName);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  let kept: readonly (ProcessIdentity & { readonly mark: string })[] = [];
  try {
    kept = (JSON.parse(text) as { readonly processes: typeof kept }).processes;
  } catch {
    // It was cut short: what it named has ended by itself, or has ignored that its launcher is gone.
  }
  for (const { mark, ...identity } of kept)
    if (isAlive(identity)) await clearTree(identity.pid, { mark, graceMs: 1, clock });
  await rm(path, { force: true });
}

/** Which file a module is, as far as its size and time tell; what it imports is not looked at. */
function versionOf(module: string): string {
  try {
    const { size, mtimeMs } = statSync(fileURLToPath(module));
    return `${size} ${mtimeMs}`;
  } catch {
    return "none";
  }
}

/** What two jobs must have in common to run in one process; undefined for jobs that are not kept. */
export function warmKeyOf(spec: JobSpec): string | undefined {
  const { run, keepAliveMs = 0, workingDirectory, resources, limits, environment } = spec;
  if (!("module" in run) || keepAliveMs <= 0) return undefined;
  return digestOfJson({
    module: run.module,
    version: versionOf(run.module),
    environment: { ...environment },
    workingDirectory: workingDirectory ?? null,
    resources: JSON.stringify(resources ?? {}),
    memoryBytes: limits?.memoryBytes ?? null,
  });
}
