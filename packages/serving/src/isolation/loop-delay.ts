import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import {
  type Alert,
  type AlertSource,
  type Clock,
  type Logger,
  type Meter,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";

export interface LoopDelayOptions {
  /** The 99th percentile of the delay in a window that is too long, in milliseconds. Default: 20. */
  readonly limitMs?: number | undefined;
  /** How long a window is. Default: 5,000. */
  readonly windowMs?: number | undefined;
  /** So many windows in a row over the limit raise the alarm. Default: 3. */
  readonly windows?: number | undefined;
  /** What the alert is about. Default: `process/event-loop`. */
  readonly subject?: string | undefined;
  /** Called when the alarm is raised and when it is over. Default: nothing is called. */
  readonly onAlert?: ((alert: Alert) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** How late the event loop was, in milliseconds. */
export interface LoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Watches the event loop of this process; as a source of alerts it rolls deployments back that take the loop. Whoever opens it disposes it. */
export interface LoopDelayMonitor extends AlertSource, AsyncDisposable {
  /** Of the last whole window; of the present one before. */
  delay(): LoopDelay;
}

/** How often the loop's lateness is sampled: a sample is the time between two ticks, this one included. */
const resolutionMs = 5;

/**
 * Measures how late the event loop is: while a model computes on it, nobody is answered. Tells the metric `millwright_serving_loop_delay_seconds`, and the
 * alert `event-loop-delay` where the 99th percentile stays over the limit. Throws `RangeError` for options out of range.
 */
export function openLoopDelayMonitor(options: LoopDelayOptions = {}): LoopDelayMonitor {
  const { limitMs = 20, windowMs = 5_000, windows = 3 } = options;
  for (const [name, value] of Object.entries({ limitMs, windowMs, windows }))
    if (!(typeof value === "number" && value > 0))
      throw new RangeError(`${name} must be above 0, not ${String(value)}.`);
  return new Monitor(options, { limitMs, windowMs, windows });
}

interface Bounds {
  readonly limitMs: number;
  readonly windowMs: number;
  readonly windows: number;
}

class Monitor implements LoopDelayMonitor {
  readonly #options: LoopDelayOptions;
  readonly #bounds: Bounds;
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs });
  readonly #over = new AbortController();
  readonly #watching: Promise<void>;
  readonly #listeners = new Set<(alert: Alert) => void>();
  #last: LoopDelay | undefined;
  #late = 0;
  #firing: Alert | undefined;

  constructor(options: LoopDelayOptions, bounds: Bounds) {
    this.#options = options;
    this.#bounds = bounds;
    this.#histogram.enable();
    this.#watching = this.#watch();
  }

  delay(): LoopDelay {
    return this.#last ?? read(this.#histogram);
  }

  async alerts(
    subject: string,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<readonly Alert[]> {
    signal?.throwIfAborted();
    return this.#firing !== undefined && isBelow(this.#firing.subject, subject) ? [this.#firing] : [];
  }

  async *changes(
    subject: string,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncIterable<Alert> {
    const heard: Alert[] = [];
    let wake: (() => void) | undefined;
    const listen = (alert: Alert): void => {
      if (isBelow(alert.subject, subject)) heard.push(alert);
      wake?.();
    };
    const ended = (): boolean => signal?.aborted === true || this.#over.signal.aborted;
    const stop = (): void => wake?.();
    this.#listeners.add(listen);
    signal?.addEventListener("abort", stop);
    this.#over.signal.addEventListener("abort", stop);
    try {
      while (!ended()) {
        yield* heard.splice(0);
        if (!ended() && heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#listeners.delete(listen);
      signal?.removeEventListener("abort", stop);
      this.#over.signal.removeEventListener("abort", stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    this.#histogram.disable();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { clock = systemClock, meter = silentMeter } = this.#options;
    const gauge = meter.gauge("millwright_serving_loop_delay_seconds", {
      help: "How late the event loop was in the last window.",
      labelNames: ["quantile"],
    });
    const { signal } = this.#over;
    while (!signal.aborted) {
      await clock.sleep(this.#bounds.windowMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      const delay = read(this.#histogram);
      this.#histogram.reset();
      this.#last = delay;
      gauge.set(delay.p50Ms / 1_000, { quantile: "0.5" });
      gauge.set(delay.p99Ms / 1_000, { quantile: "0.99" });
      gauge.set(delay.maxMs / 1_000, { quantile: "1" });
      this.#judge(delay, clock.nowMs());
    }
  }

  #judge({ p99Ms }: LoopDelay, nowMs: number): void {
    const { limitMs, windows } = this.#bounds;
    this.#late = p99Ms > limitMs ? this.#late + 1 : 0;
    if (this.#firing === undefined && this.#late >= windows) {
      const { subject = "process/event-loop" } = this.#options;
      const summary = `The event loop was ${Math.round(p99Ms)} ms late (99th percentile); something computes on it.`;
      const alert = {
        name: "event-loop-delay",
        subject,
        severity: "page",
        state: "firing",
        sinceMs: nowMs,
        summary,
      } as const;
      this.#firing = { ...alert, value: p99Ms, threshold: limitMs };
      this.#tell(this.#firing);
    } else if (this.#firing !== undefined && this.#late === 0) {
      const resolved = { ...this.#firing, state: "resolved", value: p99Ms } as const;
      this.#firing = undefined;
      this.#tell(resolved);
    }
  }

  #tell(alert: Alert): void {
    const { onAlert, logger = silentLogger } = this.#options;
    logger.warn({ alert }, alert.state === "firing" ? "the event loop is late" : "the event loop is in time again");
    for (const listener of this.#listeners) listener(alert);
    onAlert?.(alert);
  }
}

const isBelow = (subject: string, above: string): boolean => subject === above || subject.startsWith(`${above}/`);

function read(histogram: IntervalHistogram): LoopDelay {
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  if (histogram.count === 0) return { p50Ms: 0, p99Ms: 0, maxMs: 0 };
  return { p50Ms: late(histogram.percentile(50)), p99Ms: late(histogram.percentile(99)), maxMs: late(histogram.max) };
}
