import {
  type CallOptions,
  type Logger,
  type ModelRuntime,
  abortable,
  hashSeed,
  isMillwrightError,
  silentLogger,
} from "@millwright/contracts";
import { follow } from "../engine/following.ts";
import type { Prediction, Provenance } from "../engine/prediction.ts";
import type { Next, RequestCall, SideModel, Stage, StageSite } from "../engine/stage.ts";
import { noTimings } from "../engine/timings.ts";
import { type Decide, type RowDifference, compareOutputs } from "./compare-outputs.ts";
import { type ShadowCriteria, type ShadowReport, reportOf } from "./shadow-report.ts";
import { ShadowTally, type Side } from "./shadow-tally.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const mostSegments = 100;

/** One request with both answers. */
export interface ShadowPair {
  readonly requestId: string;
  readonly endpoint: string;
  readonly shadow: string;
  readonly segment: string | undefined;
  /** UTC, milliseconds. */
  readonly timeMs: number;
  readonly primary: Side & { readonly answer?: Prediction | undefined };
  readonly mirrored: Side & { readonly answer?: Prediction | undefined };
  /** Row by row; absent where one failed or both have different numbers of rows. */
  readonly rows: readonly RowDifference[] | undefined;
}

export interface ShadowOptions {
  /** The variant that its captured answers name. Several shadows of an endpoint need names of their own. Default: `shadow`. */
  readonly name?: string | undefined;
  /** `late/4`, `late@challenger`. */
  readonly model: string;
  /** Share of the requests that it sees, above 0 and at most 1. Default: 1. */
  readonly share?: number | undefined;
  /** When it begins, UTC milliseconds. Default: when the server opens. */
  readonly startMs?: number | undefined;
  /** How long it is asked: an hour to 30 days, as SageMaker's shadow tests. Then its model is disposed; the report stays. Default: 7 days. */
  readonly durationMs?: number | undefined;
  /** Most of its requests under way; further ones are dropped and counted. Default: 64. */
  readonly maxInFlight?: number | undefined;
  /** What it does not answer in time has failed. Default: 10,000 milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** What loads it. Isolated runtimes keep a model that hangs, eats memory or is slow from the primary. Default: the server's. */
  readonly runtimes?: readonly ModelRuntime[] | undefined;
  /** Whether it follows its alias. Default: false. */
  readonly watch?: boolean | undefined;
  /** Whether its answers go to the sink of predictions, as those of a variant with its name and the request's id. Default: true. */
  readonly captured?: boolean | undefined;
  /** Whose the request is: reports tell segments apart. */
  readonly segment?: ((call: RequestCall) => string | undefined) | undefined;
  /** Rows agree where they come to the same. Default: where all outputs are equal, floating-point numbers within `tolerance`. */
  readonly decide?: Decide | undefined;
  /** Default: 0.01. */
  readonly tolerance?: number | undefined;
  /** Told each pair, after the caller has its answer. What it throws is logged. */
  readonly onPair?: ((pair: ShadowPair) => void) | undefined;
}

/** A stage that shows a second model the traffic of the endpoint. */
export interface Shadow extends Stage {
  /** What was seen so far. Throws a RangeError for criteria out of range. */
  report(criteria?: ShadowCriteria): ShadowReport;
  /** Resolves when nothing that was mirrored until now is under way. On abort the waiting ends. */
  settled(options?: CallOptions): Promise<void>;
}

/**
 * Mirrors requests to a second model after their callers have their answers: what it answers is compared and discarded, what it throws is counted. It shares
 * the process unless `runtimes` are isolated.
 */
export function shadow(options: ShadowOptions): Shadow {
  checkOptions(options);
  const mirror = new Mirror(options);
  return {
    name: mirror.name,
    open: (site) => mirror.open(site),
    request: (call, next) => mirror.request(call, next),
    close: () => mirror.close(),
    report: (criteria) => mirror.report(criteria),
    settled: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      await abortable(mirror.settled(), signal);
    },
  };
}

function checkOptions({
  share = 1,
  durationMs = hourMs,
  maxInFlight = 1,
  timeoutMs = 1,
  tolerance = 0,
}: ShadowOptions): void {
  if (!(share > 0 && share <= 1)) throw new RangeError(`share must be above 0 and at most 1, not ${share}.`);
  if (!(durationMs >= hourMs && durationMs <= 30 * dayMs))
    throw new RangeError(`durationMs must be from an hour to 30 days, not ${durationMs}.`);
  if (!(maxInFlight >= 1)) throw new RangeError(`maxInFlight must be 1 or more, not ${maxInFlight}.`);
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs must be above 0, not ${timeoutMs}.`);
  if (!(tolerance >= 0)) throw new RangeError(`tolerance must be at least 0, not ${tolerance}.`);
}

type Outcome = ShadowPair["primary"];

class Mirror {
  readonly name: string;
  readonly #options: ShadowOptions;
  readonly #all = new ShadowTally();
  readonly #bySegment = new Map<string, ShadowTally>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #site: StageSite | undefined;
  #side: SideModel | undefined;
  #logger: Logger = silentLogger;
  #startMs = 0;
  #primary: Provenance["model"] | undefined;
  #shadow: Provenance["model"] | undefined;
  #fromMs: number | undefined;
  #untilMs: number | undefined;
  #dropped = 0;
  #timedOut = 0;

  constructor(options: ShadowOptions) {
    this.#options = options;
    this.name = options.name ?? "shadow";
  }

  async open(site: StageSite): Promise<void> {
    const { model, watch, runtimes, captured = true, startMs } = this.#options;
    this.#site = site;
    this.#logger = site.logger;
    this.#startMs = startMs ?? site.clock.nowMs();
    this.#side = await site.openModel(model, { variant: this.name, watch, captured, runtimes });
    this.#shadow = this.#side.model;
  }

  async request(call: RequestCall, next: Next<RequestCall>): Promise<Prediction> {
    const { clock } = this.#openedSite();
    const side = this.#sideFor(call);
    if (side === undefined) return next(call);
    const startMs = clock.monotonicMs();
    try {
      const answer = await next(call);
      this.#mirror(side, call, { answer, latencyMs: clock.monotonicMs() - startMs });
      return answer;
    } catch (error) {
      this.#mirror(side, call, { errorCode: codeOf(error), latencyMs: clock.monotonicMs() - startMs });
      throw error;
    }
  }

  report(criteria?: ShadowCriteria): ShadowReport {
    const model = this.#side?.model ?? this.#shadow;
    if (model === undefined) throw new TypeError(`The shadow "${this.name}" stands in no open server.`);
    return reportOf(
      {
        name: this.name,
        primary: this.#primary,
        shadow: model,
        fromMs: this.#fromMs,
        untilMs: this.#untilMs,
        dropped: this.#dropped,
        timedOut: this.#timedOut,
        all: this.#all,
        bySegment: this.#bySegment,
      },
      criteria,
    );
  }

  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.settled();
    await this.#dispose();
  }

  #openedSite(): StageSite {
    if (this.#site === undefined) throw new TypeError(`The shadow "${this.name}" stands in no open server.`);
    return this.#site;
  }

  /** The model, where the request is one that it sees. */
  #sideFor({ requestId }: RequestCall): SideModel | undefined {
    const { share = 1, durationMs = 7 * dayMs, maxInFlight = 64 } = this.#options;
    const sinceMs = this.#openedSite().clock.nowMs() - this.#startMs;
    if (sinceMs >= durationMs) void this.#dispose();
    if (this.#side === undefined || sinceMs < 0 || sinceMs >= durationMs) return undefined;
    if (share < 1 && hashSeed(`${this.name} ${requestId}`) / 2 ** 32 >= share) return undefined;
    if (this.#underWay.size < maxInFlight) return this.#side;
    this.#dropped += 1;
    return undefined;
  }

  #mirror(side: SideModel, call: RequestCall, primary: Outcome): void {
    const asking = this.#ask(side, call)
      .then((mirrored) => this.#compare(call, primary, mirrored))
      .catch((error: unknown) => this.#logger.warn({ shadow: this.name, error }, "a pair could not be compared"))
      .finally(() => this.#underWay.delete(asking));
    this.#underWay.add(asking);
  }

  /** Its caller may be gone, and its time is its own. */
  async #ask(side: SideModel, call: RequestCall): Promise<Outcome> {
    const { clock } = this.#openedSite();
    const { timeoutMs = 10_000 } = this.#options;
    // Its caller's answer is written first.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const { controller: ended, forget } = follow(this.#stop.signal);
    const { signal } = ended;
    const startMs = clock.monotonicMs();
    const request = { ...call.request, signal, deadlineMs: undefined, variant: undefined };
    const late = clock.sleep(timeoutMs, { signal: ended.signal }).then(
      (): Outcome => ({ latencyMs: timeoutMs, errorCode: "TIMEOUT" }),
      (): Outcome => ({ latencyMs: 0, errorCode: "TIMEOUT" }),
    );
    const answered = side.predict({ ...call, request, startMs, timings: noTimings() }).then(
      (answer): Outcome => ({ answer, latencyMs: clock.monotonicMs() - startMs }),
      (error: unknown): Outcome => ({ errorCode: codeOf(error), latencyMs: clock.monotonicMs() - startMs }),
    );
    const outcome = await Promise.race([answered, late]);
    if (outcome.errorCode === "TIMEOUT") this.#timedOut += 1;
    ended.abort();
    forget();
    return outcome;
  }

  #compare(call: RequestCall, primary: Outcome, mirrored: Outcome): void {
    const { segment: segmentOf, decide, tolerance = 0.01, onPair } = this.#options;
    const timeMs = this.#openedSite().clock.nowMs();
    const rows =
      primary.answer === undefined || mirrored.answer === undefined
        ? undefined
        : compareOutputs(primary.answer.outputs, mirrored.answer.outputs, { decide, tolerance });
    const segment = segmentOf?.(call);
    this.#primary = primary.answer?.provenance.model ?? this.#primary;
    this.#fromMs ??= timeMs;
    this.#untilMs = timeMs;
    this.#all.add(primary, mirrored, rows);
    if (segment !== undefined) this.#tallyOf(segment).add(primary, mirrored, rows);
    const { requestId, endpoint } = call;
    onPair?.({ requestId, endpoint, shadow: this.name, segment, timeMs, primary, mirrored, rows });
  }

  #tallyOf(segment: string): ShadowTally {
    const name = this.#bySegment.has(segment) || this.#bySegment.size < mostSegments ? segment : "other";
    const found = this.#bySegment.get(name) ?? new ShadowTally();
    this.#bySegment.set(name, found);
    return found;
  }

  async #dispose(): Promise<void> {
    const side = this.#side;
    if (side === undefined) return;
    this.#shadow = side.model;
    this.#side = undefined;
    const { clock } = this.#openedSite();
    const { timeoutMs = 10_000 } = this.#options;
    const done = new AbortController();
    const closed = side
      .close()
      .catch((error: unknown) => this.#logger.warn({ shadow: this.name, error }, "a shadow could not be closed"))
      .finally(() => done.abort());
    // A model that hangs must not keep the server from draining.
    await Promise.race([closed, clock.sleep(timeoutMs, { signal: done.signal }).catch(() => {})]);
  }
}

const codeOf = (error: unknown): string => (isMillwrightError(error) ? error.code : "none");
