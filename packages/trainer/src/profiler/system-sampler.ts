import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Clock } from "@millwright/contracts";
import type { SystemSample } from "./profiler-rules.ts";

interface CpuTimes {
  readonly busy: number;
  readonly ioWait: number | undefined;
  readonly total: number;
}

/** Times of all cores since the machine began. */
function cpuTimes(): CpuTimes {
  if (process.platform === "linux") {
    // Node's own numbers take waiting for input and output as idling.
    const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
    const times = line.trim().split(/\s+/).slice(1, 9).map(Number);
    const [, , , idle = 0, ioWait = 0] = times;
    const total = times.reduce((sum, time) => sum + time, 0);
    return { busy: total - idle - ioWait, ioWait, total };
  }
  let [idle, total] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { busy: total - idle, ioWait: undefined, total };
}

const samplesKept = 20_000;

/** Samples what the machine does while the event loop turns, at most the newest 20,000. */
export class SystemSampler implements Disposable {
  readonly #clock: Clock;
  readonly #samples: SystemSample[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #gpus: (() => SystemSample["gpus"]) | undefined;
  #last: CpuTimes | undefined;

  /** @param everyMs SageMaker's interval is 500. */
  constructor(clock: Clock, everyMs = 500, gpus?: () => SystemSample["gpus"]) {
    this.#clock = clock;
    this.#gpus = gpus;
    this.#last = this.#times();
    this.#timer = setInterval(() => this.#sample(), everyMs);
    this.#timer.unref();
  }

  get samples(): readonly SystemSample[] {
    return this.#samples;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #times(): CpuTimes | undefined {
    try {
      return cpuTimes();
    } catch {
      return undefined; // not everywhere may it be read
    }
  }

  #sample(): void {
    const now = this.#times();
    const last = this.#last;
    this.#last = now;
    const rssBytes = process.memoryUsage.rss();
    const base = { timeMs: this.#clock.nowMs(), rssBytes, gpus: this.#gpus?.() };
    if (now === undefined || last === undefined || now.total <= last.total) return void this.#samples.push(base);
    const percentOf = (part: number): number => Math.min(100, Math.max(0, (100 * part) / (now.total - last.total)));
    const ioWaitPercent =
      now.ioWait === undefined || last.ioWait === undefined ? undefined : percentOf(now.ioWait - last.ioWait);
    this.#samples.push({ ...base, cpuPercent: percentOf(now.busy - last.busy), ioWaitPercent });
    if (this.#samples.length >= 2 * samplesKept) this.#samples.splice(0, this.#samples.length - samplesKept);
  }
}
