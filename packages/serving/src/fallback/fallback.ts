import { type Counter, type Gauge, type Tensors, abortable, digestOf, isMillwrightError } from "@millwright/contracts";
import { follow } from "../engine/following.ts";
import type { Prediction } from "../engine/prediction.ts";
import type { Next, RequestCall, Stage, StageSite } from "../engine/stage.ts";
import { type BreakerOptions, type CircuitBreaker, createCircuitBreaker } from "./circuit-breaker.ts";
import { answerLate, circuitOpen } from "./fallback-errors.ts";
import { type FallbackTarget, type OpenTarget, openTarget } from "./targets.ts";

export interface FallbackOptions {
  /** Asked in order, until one answers. */
  readonly to: readonly FallbackTarget[];
  /** Which failures of the endpoint another answer may stand in for. Default: all but those of the request itself, of access and of its caller's absence. */
  readonly when?: ((error: unknown) => boolean) | undefined;
  /** The endpoint, and each target, has failed where it takes longer, milliseconds. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Of the endpoint and of each target. */
  readonly breaker?: BreakerOptions | undefined;
}

/** A stage that answers where the endpoint fails. */
export interface Fallback extends Stage {
  /** Whom requests go to: `endpoint` and the targets, in order, with the states of their breakers. */
  targets(): readonly { readonly name: string; readonly state: CircuitBreaker["state"] }[];
}

/**
 * A chain of stand-ins: where the endpoint fails, is late or has failed too often lately, the first target that answers does. The answer says so in
 * `provenance.degraded`, is counted, and goes to the sink of predictions with its mark. Where all fail, the endpoint's own error is thrown.
 */
export function fallback(options: FallbackOptions): Fallback {
  checkOptions(options);
  const chain = new Chain(options);
  return {
    name: "fallback",
    open: (site) => chain.open(site),
    request: (call, next) => chain.request(call, next),
    close: () => chain.close(),
    targets: () => chain.targets(),
  };
}

function checkOptions({ to, timeoutMs = 1 }: FallbackOptions): void {
  if (to.length === 0) throw new RangeError("A fallback needs at least one target.");
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs must be above 0, not ${timeoutMs}.`);
}

interface Guarded {
  readonly target: OpenTarget;
  readonly breaker: CircuitBreaker;
}

const ownFaults = new Set(["user", "data", "quota"]);

/** Whether the failure is the server's: a request that is wrong stays wrong with every model. */
const isServers = (error: unknown): boolean => !isMillwrightError(error) || !ownFaults.has(error.category);

class Chain {
  readonly #options: FallbackOptions;
  #site: StageSite | undefined;
  #primary: CircuitBreaker | undefined;
  #targets: readonly Guarded[] = [];
  #degraded: Counter | undefined;
  #open: Gauge | undefined;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  async open(site: StageSite): Promise<void> {
    const { to, breaker } = this.#options;
    this.#site = site;
    this.#primary = createCircuitBreaker(site.clock, breaker);
    this.#degraded = site.meter.counter("millwright_serving_degraded_total", {
      help: "Answers that were not the ones meant, by what answered and why.",
      labelNames: ["endpoint", "by", "reason"],
    });
    this.#open = site.meter.gauge("millwright_serving_circuit_open", {
      help: "1 where a target is left alone because it failed too often.",
      labelNames: ["endpoint", "target"],
    });
    for (const each of to) {
      const target = await openTarget(each, site);
      this.#targets = [...this.#targets, { target, breaker: createCircuitBreaker(site.clock, breaker) }];
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#targets.map(async ({ target }) => target.close?.()));
  }

  targets(): ReturnType<Fallback["targets"]> {
    const rest = this.#targets.map(({ target, breaker }) => ({ name: target.name, state: breaker.state }));
    return [{ name: "endpoint", state: this.#primary?.state ?? "closed" }, ...rest];
  }

  async request(call: RequestCall, next: Next<RequestCall>): Promise<Prediction> {
    const { breaker, site } = this.#opened();
    if (!breaker.admits()) return this.#standIn(call, "CIRCUIT_OPEN", undefined);
    try {
      const answer = await this.#inTime(call, next);
      breaker.succeeded();
      for (const { target } of this.#targets) target.learn?.(call, answer);
      return answer;
    } catch (error) {
      if (call.request.signal?.aborted === true || !(this.#options.when ?? isServers)(error)) {
        breaker.abandoned();
        throw error;
      }
      breaker.failed();
      const reason = isMillwrightError(error) ? error.code : "none";
      site.logger.warn(
        { endpoint: call.endpoint, requestId: call.requestId, error },
        "an endpoint failed; a fallback is asked",
      );
      return await this.#standIn(call, reason, { error });
    } finally {
      this.#open?.set(breaker.state === "open" ? 1 : 0, { endpoint: call.endpoint, target: "endpoint" });
    }
  }

  #opened(): { readonly breaker: CircuitBreaker; readonly site: StageSite } {
    if (this.#primary === undefined || this.#site === undefined)
      throw new TypeError("The fallback stands in no open server.");
    return { breaker: this.#primary, site: this.#site };
  }

  /** @param failed What the endpoint threw; absent where it was not asked. */
  async #standIn(
    call: RequestCall,
    reason: string,
    failed: { readonly error: unknown } | undefined,
  ): Promise<Prediction> {
    const { site } = this.#opened();
    for (const guarded of this.#targets) {
      const answer = await this.#ask(guarded, call);
      if (answer === undefined) continue;
      const by = guarded.target.name;
      this.#degraded?.add(1, { endpoint: call.endpoint, by, reason });
      const marked = markedAnswer(answer, call, { reason, by });
      site.capture(call, marked);
      return marked;
    }
    throw failed === undefined ? circuitOpen(call.endpoint) : failed.error;
  }

  async #ask({ target, breaker }: Guarded, call: RequestCall): Promise<Tensors | Prediction | undefined> {
    const { site } = this.#opened();
    if (!breaker.admits()) return undefined;
    try {
      const answer = await this.#inTime(call, (inTime) => target.answer(inTime));
      breaker.succeeded();
      return answer;
    } catch (error) {
      if (call.request.signal?.aborted === true) {
        breaker.abandoned();
        throw error;
      }
      breaker.failed();
      site.logger.warn(
        { endpoint: call.endpoint, target: target.name, error },
        "a fallback failed; the next one is asked",
      );
      return undefined;
    } finally {
      this.#open?.set(breaker.state === "open" ? 1 : 0, { endpoint: call.endpoint, target: target.name });
    }
  }

  /** What is late is cancelled, and has failed. */
  async #inTime<Answer>(call: RequestCall, ask: (call: RequestCall) => Promise<Answer>): Promise<Answer> {
    const { timeoutMs } = this.#options;
    if (timeoutMs === undefined) return ask(call);
    const { clock } = this.#opened().site;
    const answered = new AbortController();
    const { signal } = call.request;
    const { controller: late, forget } = follow(signal);
    const asking = ask({ ...call, request: { ...call.request, signal: late.signal } });
    const tooLate = clock.sleep(timeoutMs, { signal: answered.signal }).then(
      () => {
        const error = answerLate(call.endpoint, timeoutMs);
        late.abort(error);
        throw error;
      },
      () => new Promise<never>(() => {}),
    );
    try {
      return await abortable(Promise.race([asking, tooLate]), signal);
    } finally {
      answered.abort();
      forget();
      // Who lost the race may still reject; nobody listens then.
      asking.catch(() => {});
    }
  }
}

/** The answer with its mark. Tensors that no model made get a model's name and digest of their own. */
function markedAnswer(
  answer: Tensors | Prediction,
  { requestId, endpoint, timings }: RequestCall,
  degraded: NonNullable<Prediction["provenance"]["degraded"]>,
): Prediction {
  if (isPrediction(answer)) {
    const { outputs, provenance } = answer;
    return { outputs, provenance: { ...provenance, requestId, degraded }, timings };
  }
  const name = `fallback/${degraded.by}`;
  const model = { name, digest: digestOf(name) };
  return { outputs: answer, provenance: { requestId, endpoint, variant: degraded.by, model, degraded }, timings };
}

/** Whether it is more than outputs: an output may have any name, but none is a text's owner. */
const isPrediction = (answer: Tensors | Prediction): answer is Prediction =>
  typeof (answer as Partial<Prediction>).provenance?.requestId === "string";
