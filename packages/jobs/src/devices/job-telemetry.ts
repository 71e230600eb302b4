import type { Clock, JobEvent, JobLimits } from "@millwright/contracts";
import type { EventJournal } from "../event-journal.ts";
import type { Intervention } from "../outcome.ts";
import { processorSeconds, residentBytes, treeOf } from "../process-tree.ts";
import type { Slot } from "../slots.ts";
import { type GpuSample, type GpuSampler, type SampledGpu, xidsIn } from "./gpu-sampler.ts";

export interface TelemetryOptions {
  readonly sampler: GpuSampler;
  readonly clock: Clock;
  /** 0 for none. */
  readonly everyMs: number;
}

export interface WatchedAttempt {
  readonly slot: Slot;
  readonly limits: JobLimits | undefined;
  readonly journal: Pick<EventJournal, "push">;
}

/** Measures one attempt while it runs. */
export interface JobTelemetry {
  /** Aborts, with the intervention as its reason, when the job holds more device memory than it may. */
  readonly over: AbortSignal;
  /** @param root Process id of the job's own process. */
  start(root: number): void;
  stop(): void;
}

/** After so many samples the time between two is doubled, and again: a job of a week tells a few thousand. */
const samplesPerPace = 500;
/** Most changes of a source's state that are told: one that comes and goes says no more by then. */
const mostChanges = 100;
const longestMemoryPollMs = 5_000;
const prefix = "system/";

class AttemptTelemetry implements JobTelemetry {
  readonly #options: TelemetryOptions;
  readonly #attempt: WatchedAttempt;
  readonly #over = new AbortController();
  readonly #stopped = new AbortController();
  readonly #states = new Map<string, { told: string; changes: number }>();
  /** Lines of the kernel's log that were there before the job, or are counted. */
  readonly #knownXids = new Set<string>();
  readonly #xids = new Map<string, number>();
  #processors: { readonly atMs: number; readonly seconds: ReadonlyMap<number, number> } | undefined;

  constructor(options: TelemetryOptions, attempt: WatchedAttempt) {
    this.#options = options;
    this.#attempt = attempt;
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  start(root: number): void {
    if (this.#options.everyMs > 0) void this.#watch(root);
    const limitBytes = this.#limitBytes();
    if (limitBytes !== undefined) void this.#watchMemory(root, limitBytes);
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** What the spec says; else, of a share, its part of the device. */
  #limitBytes(): number | undefined {
    const { slot, limits } = this.#attempt;
    const [shared] = slot.gpus.filter(({ share }) => share < 1);
    return slot.gpus.length === 0 ? undefined : (limits?.gpuMemoryBytes ?? shared?.memoryBytes);
  }

  /** False once the attempt is over. */
  async #sleep(durationMs: number): Promise<boolean> {
    await this.#options.clock.sleep(durationMs, { signal: this.#stopped.signal }).catch(() => {});
    return !this.#stopped.signal.aborted;
  }

  async #watch(root: number): Promise<void> {
    const { everyMs } = this.#options;
    if (this.#attempt.slot.gpus.length > 0) await this.#readKernelLog(true);
    this.#measureProcesses(root);
    for (let count = 0; await this.#sleep(everyMs * 2 ** Math.floor(count / samplesPerPace)); count += 1) {
      this.#measureProcesses(root);
      if (this.#attempt.slot.gpus.length > 0) await this.#measureDevices();
    }
  }

  #measureProcesses(root: number): void {
    const tree = treeOf(root);
    if (tree.length === 0) {
      if (process.platform !== "linux") this.#tell("system", "unavailable", "There is no /proc on this machine.");
      return;
    }
    const bytes = residentBytes(tree);
    // Processes that are about to be gone have no memory any more: nothing is to be measured.
    if (bytes === 0) return;
    this.#tell("system", "available");
    const seconds = processorSeconds(tree);
    const atMs = this.#options.clock.monotonicMs();
    const before = this.#processors;
    this.#processors = { atMs, seconds };
    if (before === undefined || atMs <= before.atMs) return;
    let used = 0;
    for (const [pid, total] of seconds) used += Math.max(0, total - (before.seconds.get(pid) ?? 0));
    this.#measure("cpu_utilization_percentage", (100_000 * used) / (atMs - before.atMs));
    this.#measure("memory_usage_bytes", bytes);
  }

  async #measureDevices(): Promise<void> {
    const sample = await this.#options.sampler.sample();
    const kernelLog = await this.#readKernelLog(false);
    if (this.#stopped.signal.aborted) return;
    for (const [place, { id, partOf }] of this.#attempt.slot.gpus.entries()) {
      const name = `gpu_${place}`;
      const device = deviceIn(sample, partOf ?? id);
      if (typeof device === "string") {
        this.#tell(prefix + name, "unavailable", device);
        continue;
      }
      this.#tell(prefix + name, "available");
      for (const [reading, value] of Object.entries(device.readings)) this.#reading(`${name}_${reading}`, value);
      this.#reading(`${name}_xid_errors`, kernelLog ?? this.#xids.get(device.bus) ?? 0);
    }
  }

  #reading(name: string, value: number | string): void {
    if (typeof value === "string") return this.#tell(prefix + name, "unavailable", value);
    this.#tell(prefix + name, "available");
    this.#measure(name, value);
  }

  /** @returns why it cannot be read. */
  async #readKernelLog(before: boolean): Promise<string | undefined> {
    const answer = await this.#options.sampler.kernelLog();
    if (answer.state === "unavailable") return answer.reason;
    for (const { bus, line } of xidsIn(answer.text)) {
      if (this.#knownXids.has(line)) continue;
      this.#knownXids.add(line);
      if (!before) this.#xids.set(bus, (this.#xids.get(bus) ?? 0) + 1);
    }
    return undefined;
  }

  #measure(name: string, value: number): void {
    if (this.#stopped.signal.aborted) return;
    this.#attempt.journal.push({
      kind: "metric",
      name: prefix + name,
      value,
      timeMs: this.#options.clock.nowMs(),
    });
  }

  /** Says what a source's state is, where it was another. */
  #tell(source: string, state: "available" | "unavailable", reason?: string): void {
    const told = `${state} ${reason ?? ""}`;
    const before = this.#states.get(source) ?? { told: "", changes: 0 };
    if (before.told === told || before.changes >= mostChanges || this.#stopped.signal.aborted) return;
    this.#states.set(source, { told, changes: before.changes + 1 });
    const why = reason === undefined ? {} : { reason };
    const event: JobEvent = { kind: "telemetry", source, state, ...why, timeMs: this.#options.clock.nowMs() };
    this.#attempt.journal.push(event);
  }

  async #watchMemory(root: number, limitBytes: number): Promise<void> {
    const { everyMs, sampler } = this.#options;
    const pollMs = Math.min(longestMemoryPollMs, everyMs > 0 ? everyMs : longestMemoryPollMs);
    const source = `${prefix}gpu_process_memory_bytes`;
    while (await this.#sleep(pollMs)) {
      const memory = await sampler.processMemory();
      if (memory.state === "unavailable") this.#tell(source, "unavailable", memory.reason);
      else {
        this.#tell(source, "available");
        const tree = treeOf(root);
        if (tree.length === 0) continue;
        const bytes = tree.reduce((sum, { pid }) => sum + (memory.bytes.get(pid) ?? 0), 0);
        if (everyMs > 0) this.#measure("gpu_process_memory_bytes", bytes);
        const intervention: Intervention = { kind: "gpu-memory", bytes, limitBytes };
        if (bytes > limitBytes) this.#over.abort(intervention);
      }
    }
  }
}

/** The device of that id or index; or why there is none. */
function deviceIn(sample: GpuSample, name: string): SampledGpu | string {
  if (sample.state === "unavailable") return sample.reason;
  const found = sample.devices.find(({ id, index }) => id === name || index === name);
  return found ?? `nvidia-smi tells of no device "${name}".`;
}

export const createTelemetry = (options: TelemetryOptions, attempt: WatchedAttempt): JobTelemetry =>
  new AttemptTelemetry(options, attempt);
