import {
  type CallOptions,
  type Clock,
  type Logger,
  type Meter,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { decideScaling, startScaling } from "./decide-scaling.ts";
import type { IsolatedRuntime } from "./isolation-options.ts";
import { type ScalerState, type ScalingDecision, type ScalingOptions, checkScaling } from "./scaling-policy.ts";

export interface AutoscalerOptions extends ScalingOptions {
  /** How often it measures and decides. Default: 10,000. */
  readonly everyMs?: number | undefined;
  /** Metrics of your own by name, per worker. Default: none. */
  readonly metrics?:
    | ((options?: CallOptions) => Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>)
    | undefined;
  /** Decides, and changes nothing: for a look before it is applied. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Told of each decision. */
  readonly onDecision?: ((decision: ScalingDecision) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** Whoever opens it disposes it; the workers stay as they are then. */
export interface Autoscaler extends AsyncDisposable {
  /** The last decision, once there is one. */
  last(): ScalingDecision | undefined;
  /** What it remembers: kept and given to `decideScaling`, it explains a decision. */
  state(): ScalerState;
}

/** What is scaled: an `IsolatedRuntime`, or what has its two methods. */
export type Scalable = Pick<IsolatedRuntime, "scale" | "traffic">;

/** Scales the workers of a runtime by its traffic. Throws `RangeError` for options out of range. */
export function openAutoscaler(target: Scalable, workers: number, options: AutoscalerOptions): Autoscaler {
  checkScaling(options);
  const { min = 1, max, everyMs = 10_000 } = options;
  if (!(Number.isInteger(workers) && workers >= 1))
    throw new RangeError(`workers must be a whole number from 1, not ${String(workers)}.`);
  if (!(everyMs > 0)) throw new RangeError(`everyMs must be above 0, not ${String(everyMs)}.`);
  if (typeof target?.scale !== "function" || typeof target.traffic !== "function")
    throw new TypeError("What is scaled has the methods scale and traffic: an isolatedRuntime.");
  return new RuntimeScaler(target, startScaling(Math.min(max, Math.max(min, workers))), { ...options, everyMs });
}

class RuntimeScaler implements Autoscaler {
  readonly #target: Scalable;
  readonly #options: AutoscalerOptions & { readonly everyMs: number };
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  #state: ScalerState;
  #last: ScalingDecision | undefined;
  #invocations: number;

  constructor(target: Scalable, state: ScalerState, options: AutoscalerOptions & { readonly everyMs: number }) {
    this.#target = target;
    this.#state = state;
    this.#options = options;
    this.#invocations = target.traffic().invocations;
    this.#running = this.#run();
  }

  last(): ScalingDecision | undefined {
    return this.#last;
  }

  state(): ScalerState {
    return this.#state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock = systemClock, logger = silentLogger, meter = silentMeter, everyMs } = this.#options;
    const gauge = meter.gauge("millwright_serving_workers_wanted", { help: "Workers that the scaler wants." });
    const { signal } = this.#over;
    while (!signal.aborted) {
      const sinceMs = clock.monotonicMs();
      await clock.sleep(everyMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#decide(clock.nowMs(), clock.monotonicMs() - sinceMs);
        gauge.set(this.#state.workers);
      } catch (error) {
        if (!signal.aborted) logger.error({ error }, "the workers could not be scaled, and are tried again");
      }
    }
  }

  async #decide(timeMs: number, elapsedMs: number): Promise<void> {
    const { signal } = this.#over;
    const { invocations, running, queued } = this.#target.traffic();
    const { workers } = this.#state;
    const metrics = {
      invocationsPerInstance: (invocations - this.#invocations) / (elapsedMs / 60_000) / workers,
      concurrencyPerInstance: (running + queued) / workers,
      queuePerInstance: queued / workers,
      ...(await this.#options.metrics?.({ signal })),
    };
    this.#invocations = invocations;
    const { state, decision } = decideScaling(this.#options, this.#state, { timeMs, metrics });
    this.#last = decision;
    this.#options.onDecision?.(decision);
    if (decision.workers !== workers && this.#options.dryRun !== true) {
      this.#options.logger?.info({ ...decision, before: workers }, "the workers are scaled");
      await this.#target.scale(decision.workers, { signal });
    }
    // Not before: what failed is decided again.
    this.#state = this.#options.dryRun === true ? { ...state, workers } : state;
  }
}
