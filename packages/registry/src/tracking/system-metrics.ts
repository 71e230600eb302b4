import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { type Clock, type Logger, type RunHandle, silentLogger, systemClock } from "@millwright/contracts";

/** What one GPU does at a moment. */
export interface GpuReading {
  /** Of the time since the last reading, 0 to 100. */
  readonly utilizationPercent?: number | undefined;
  readonly memoryUsedBytes?: number | undefined;
  readonly temperatureCelsius?: number | undefined;
  readonly powerWatts?: number | undefined;
}

export interface SystemMetricsOptions {
  /** Between two samples. Default: 10,000. */
  readonly intervalMs?: number | undefined;
  /** Whose sleeps come between samples. Default: timers that do not keep the process alive. */
  readonly clock?: Clock | undefined;
  /** Reads the GPUs, in an order that stays: what NVML or `nvidia-smi` says. Default: none are read. */
  readonly gpus?: (() => readonly GpuReading[] | Promise<readonly GpuReading[]>) | undefined;
  readonly logger?: Logger | undefined;
}

/** Sampling that goes on until it is disposed. */
export interface SystemMetrics extends AsyncDisposable {
  /** Takes a sample now, beside those of the interval. */
  sample(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

const nanosecondsPerMs = 1e6;

/**
 * Logs what the process and its machine do as metrics `system/…`, one step a sample: `process_cpu_percent` (100 is one core), `memory_rss_bytes`,
 * `heap_used_bytes`, `event_loop_delay_ms` (p99 since the sample before) and, for each GPU, `gpu_<n>_…`. A sample that fails is told to the logger and
 * left out; nothing of it ends the run.
 */
export function startSystemMetrics(
  run: Pick<RunHandle, "logMetrics">,
  options: SystemMetricsOptions = {},
): SystemMetrics {
  const { intervalMs = 10_000, clock, gpus, logger = silentLogger } = options;
  if (!Number.isFinite(intervalMs) || intervalMs < 1)
    throw new RangeError(`An interval is 1 ms or more, not ${intervalMs}.`);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const stop = new AbortController();
  const cpu = createCpuMeter();
  let step = 0;
  const sample = async (): Promise<void> => {
    try {
      const readings = { ...processReadings(cpu, delay), ...gpuReadings((await gpus?.()) ?? []) };
      if (stop.signal.aborted) return;
      const points = Object.entries(readings).filter(([, value]) => Number.isFinite(value));
      run.logMetrics(points.map(([name, value]) => ({ name: `system/${name}`, value: value as number, step })));
      step += 1;
    } catch (error) {
      logger.warn({ error }, "A sample of the system's metrics could not be taken.");
    }
  };
  const timer = clock === undefined ? setInterval(() => void sample(), intervalMs).unref() : undefined;
  const going = clock === undefined ? undefined : sampleOn(clock, intervalMs, stop.signal, sample);
  return {
    async sample({ signal } = {}) {
      signal?.throwIfAborted();
      await sample();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stop.abort();
      delay.disable();
      await going;
    },
  };
}

async function sampleOn(
  clock: Clock,
  intervalMs: number,
  signal: AbortSignal,
  sample: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      await clock.sleep(intervalMs, { signal });
    } catch {
      return;
    }
    await sample();
  }
}

/** Processor time used since the last reading, in percent of one core: of true time, whatever clock the samples follow. */
function createCpuMeter(): () => number {
  let before = process.cpuUsage();
  let beforeMs = systemClock.monotonicMs();
  return () => {
    const { user, system } = process.cpuUsage(before);
    const nowMs = systemClock.monotonicMs();
    const elapsedMs = nowMs - beforeMs;
    before = process.cpuUsage();
    beforeMs = nowMs;
    return (100 * (user + system)) / (1000 * elapsedMs);
  };
}

function processReadings(cpu: () => number, delay: IntervalHistogram): Readonly<Record<string, number>> {
  const { rss, heapUsed } = process.memoryUsage();
  const waited = delay.percentile(99) / nanosecondsPerMs;
  delay.reset();
  return { process_cpu_percent: cpu(), memory_rss_bytes: rss, heap_used_bytes: heapUsed, event_loop_delay_ms: waited };
}

function gpuReadings(gpus: readonly GpuReading[]): Readonly<Record<string, number | undefined>> {
  return Object.fromEntries(
    gpus.flatMap((gpu, index) => [
      [`gpu_${index}_utilization_percent`, gpu.utilizationPercent],
      [`gpu_${index}_memory_used_bytes`, gpu.memoryUsedBytes],
      [`gpu_${index}_temperature_celsius`, gpu.temperatureCelsius],
      [`gpu_${index}_power_watts`, gpu.powerWatts],
    ]),
  );
}
