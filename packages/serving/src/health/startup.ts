import { type Clock, type Logger, isMillwrightError } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import type { Configured, Deployments } from "../rollout/deployments.ts";

const longestRetryMs = 60_000;

export interface StartupOptions {
  readonly deployments: Deployments;
  readonly endpoints: readonly (readonly [Endpoint, Configured])[];
  readonly onLoadFailure: "fail" | "degrade";
  /** Until the first retry, milliseconds; doubled for each one after it, up to a minute. */
  readonly retryMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes endpoints ready: loads their models, opens their stages, goes on with their deployments. What fails is tried again where that is wanted. */
export class Startup {
  readonly #options: StartupOptions;
  readonly #stop = new AbortController();
  readonly #loaded = new Set<Endpoint>();
  readonly #retries = new Map<Endpoint, { readonly stop: AbortController; readonly task: Promise<void> }>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(options: StartupOptions) {
    this.#options = options;
  }

  /** Tries every endpoint once, in their order. Throws what loading throws, unless the server is to go on without. */
  async run(signal?: AbortSignal): Promise<void> {
    const both = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    for (const [endpoint, configured] of this.#options.endpoints) {
      try {
        await this.#open(endpoint, configured, both);
      } catch (error) {
        this.#failed(endpoint, error, both);
        if (this.#options.onLoadFailure === "fail") throw error;
        this.#retryLater(endpoint, configured);
      }
    }
  }

  /** As `run`, for a server that answers meanwhile. */
  runInBackground(signal?: AbortSignal): void {
    this.#track(
      this.run(signal).catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.logger.error({ error }, "the server will not become ready");
        const reason = signal?.aborted === true ? "the opening was aborted" : "the model of another endpoint failed";
        for (const [endpoint] of this.#options.endpoints)
          if (endpoint.readiness.state === "loading") endpoint.readiness = { state: "failed", reason, attempts: 0 };
      }),
    );
  }

  /** Stops trying, and waits for what is under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#tasks);
  }

  async #open(endpoint: Endpoint, configured: Configured, signal: AbortSignal): Promise<void> {
    const { deployments } = this.#options;
    signal.throwIfAborted();
    if (!this.#loaded.has(endpoint)) await deployments.load(endpoint, configured, { signal });
    this.#loaded.add(endpoint);
    await endpoint.openStages();
    await deployments.start(endpoint, { signal });
    endpoint.readiness = { state: "ready", attempts: endpoint.readiness.attempts + 1 };
  }

  #failed(endpoint: Endpoint, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) throw error;
    const { onLoadFailure, logger, retryMs } = this.#options;
    const attempts = endpoint.readiness.attempts + 1;
    const retryAfterMs = Math.min(longestRetryMs, retryMs * 2 ** Math.min(30, attempts - 1));
    // Words of what is not of the house stay in the log.
    const reason = isMillwrightError(error) ? error.message.replace(/\.$/, "") : "its models could not be loaded";
    const retry = onLoadFailure === "degrade" ? { retryAfterMs } : {};
    endpoint.readiness = { state: "failed", reason, attempts, ...retry };
    logger.error({ endpoint: endpoint.name, attempts, error }, "an endpoint could not be opened");
  }

  /** Tries an endpoint that could not be opened again and again. */
  #retryLater(endpoint: Endpoint, configured: Configured): void {
    const { clock, logger } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, stop.signal]);
    const retry = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(endpoint.readiness.retryAfterMs ?? longestRetryMs, { signal });
        try {
          await this.#open(endpoint, configured, signal);
          logger.info({ endpoint: endpoint.name }, "an endpoint that could not be opened is ready");
          return;
        } catch (error) {
          this.#failed(endpoint, error, signal);
        }
      }
    };
    const task = retry().catch(() => {});
    this.#retries.set(endpoint, { stop, task });
    this.#track(task);
  }

  /** Tries to open the endpoint no more. @returns what goes on with it; resolves when no try is under way. */
  async forget(endpoint: Endpoint): Promise<() => void> {
    const retry = this.#retries.get(endpoint);
    retry?.stop.abort();
    await retry?.task;
    return () => {
      const configured = this.#options.endpoints.find(([each]) => each === endpoint)?.[1];
      if (retry !== undefined && configured !== undefined && endpoint.readiness.state === "failed")
        this.#retryLater(endpoint, configured);
    };
  }

  #track(task: Promise<void>): void {
    const tracked = task.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }
}
