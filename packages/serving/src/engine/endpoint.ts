import type { Digest, FeatureSource, ModelRuntime } from "@millwright/contracts";
import { Answerer } from "./answerer.ts";
import type { BatchLimits } from "./batcher.ts";
import { type Door, createDoor } from "./door.ts";
import type { EndpointOptions, EndpointSetting } from "./endpoint-options.ts";
import { forbidden } from "../errors.ts";
import type { EndpointReadiness } from "../health/health.ts";
import { modelNotReady } from "../health/health-errors.ts";
import { type ObservedAnswer, tellObserver } from "./observed-answer.ts";
import { merged } from "./merged.ts";
import { type LabelSets, countInvocation, createLabelSets } from "./instruments.ts";
import { ModelSlot, type SlotOptions } from "./model-slot.ts";
import type { ModelStatistics } from "./model-statistics.ts";
import type { PredictRequest, Prediction } from "./prediction.ts";
import { catalogOf } from "../catalog/create-model-catalog.ts";
import type { Catalog } from "../catalog/model-catalog.ts";
import { namedCatalog, targetVariant } from "../catalog/named-catalog.ts";
import { routeOf } from "./routing.ts";
import { type Soon, watched } from "./settle.ts";
import { sideModel } from "./side-model.ts";
import { type RequestCall, type SideModel, type SideModelOptions, type StageSite, soonAround } from "./stage.ts";
import { StageSet } from "./stage-set.ts";
import { childTraceparent } from "../telemetry/trace-context.ts";
import { type TrafficTally, countUnit, createTrafficTally } from "../telemetry/traffic-tally.ts";
import { traced } from "../telemetry/tracing.ts";
import { type Trail, noTrail } from "../telemetry/trail.ts";
import { warmPath } from "./warm-path.ts";
import { closeTimings, noTimings } from "./timings.ts";

export type { EndpointOptions, EndpointSetting, VariantOptions } from "./endpoint-options.ts";

/** A variant that takes traffic. */
export interface Route {
  readonly name: string;
  readonly weight: number;
  readonly slot: ModelSlot;
}

const limitsOf = ({ maxBatchRows = 256, maxQueueRows = 10_000, latencyObjectiveMs }: EndpointOptions): BatchLimits => ({
  maxBatchRows,
  maxQueueRows,
  latencyObjectiveMs,
});

/** One name that clients call, and the models behind it. */
export class Endpoint {
  readonly name: string;
  /** Requests of the latest five minutes, by variant or by the model that they named. */
  readonly traffic: TrafficTally;
  /** Whether its models are loaded: until then it answers nothing. */
  readiness: EndpointReadiness = { state: "loading", attempts: 0 };
  readonly #setting: EndpointSetting;
  readonly #options: EndpointOptions;
  /** The features as the endpoint itself may see them. */
  readonly #features: FeatureSource | undefined;
  readonly #stages: StageSet;
  readonly limits: BatchLimits;
  readonly #answerer: Answerer;
  readonly #door: Door;
  readonly #answer: (call: RequestCall) => Soon<Prediction>;
  readonly #labels: LabelSets;
  /** Requests under way, of all configurations of the endpoint. */
  readonly #counted: { inFlight: number };
  #routes: readonly Route[] = [];
  #observer: ((seen: ObservedAnswer) => void) | undefined;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  /** @param before The endpoint as it was configured before: what both have in common is the same object. */
  constructor(name: string, options: EndpointOptions, setting: EndpointSetting, before?: Endpoint) {
    this.name = name;
    const shared =
      before === undefined
        ? undefined
        : { counted: before.#counted, limits: before.limits, stages: before.#stages, door: before.#door };
    this.traffic = before?.traffic ?? createTrafficTally(300_000);
    this.#counted = shared?.counted ?? { inFlight: 0 };
    this.#labels = createLabelSets(name);
    this.#options = options;
    this.#setting = setting;
    const as = options.readFeaturesAs;
    this.#features = typeof as === "object" ? setting.featuresAs?.(as.principal) : setting.features;
    this.limits = shared?.limits ?? limitsOf(options);
    const catalog = options.models === undefined ? undefined : catalogOf(options.models);
    const stages = options.stages ?? [];
    this.#stages = new StageSet(stages, catalog, setting.logger, shared?.stages);
    this.#answerer = new Answerer({
      ...setting,
      endpoint: name,
      stages,
      featuresFor: (request) => this.#featuresFor(request),
    });
    const layers = stages.flatMap((stage) => (stage.request === undefined ? [] : [stage.request.bind(stage)]));
    const answer = soonAround<RequestCall>(layers, (call) => this.#answerByVariant(call));
    const { clock, instruments, openTelemetry, redactor } = setting;
    this.#door = createDoor(name, options, { clock, instruments, answer }, shared?.door);
    const door = this.#door;
    const entered = (call: RequestCall): Soon<Prediction> => door.answer(call);
    this.#answer = openTelemetry === undefined ? entered : traced(openTelemetry, { clock, redactor }, entered);
  }

  /** Opens the stages, in order; called again after a failure it goes on there. Throws what they throw. */
  async openStages(): Promise<void> {
    const { source, clock, ids, logger, meter } = this.#setting;
    const site: StageSite = {
      endpoint: this.name,
      clock,
      ids,
      logger,
      meter,
      openModel: (ref, options) => this.#openSideModel(ref, options),
      capture: (call, answer) => this.#answerer.captureAnswer(call, answer),
    };
    const warmUpMs = this.#setting.warmUpMs;
    const small = warmUpMs === undefined ? {} : { warmUpMs: warmUpMs / 5 };
    await this.#stages.open(site, source, () => ({ ...this.#slotOptions(), ...small }));
  }

  /** Closes the stages that were opened, the last first, and the catalog; what the endpoint has as it is configured next goes on. */
  async closeStages(next?: Endpoint): Promise<void> {
    await this.#stages.close(this.name, next === undefined ? undefined : next.#stages);
  }

  /** The models that requests may name. */
  get catalog(): Catalog | undefined {
    return this.#stages.catalog;
  }

  get options(): EndpointOptions {
    return this.#options;
  }

  /** From here on its limits are those that hold, where another configuration of the endpoint was served before. */
  enact(): void {
    Object.assign(this.limits, limitsOf(this.#options));
  }

  get unknownFields(): "refuse" | "ignore" {
    return this.#options.unknownFields ?? "ignore";
  }

  get routes(): readonly Route[] {
    return this.#routes;
  }

  /** From here on traffic goes by these; slots that are no longer among them are the caller's to close. */
  setRoutes(routes: readonly Route[]): void {
    this.#routes = routes;
  }

  /** Told of each answer from here on; what it throws is logged. */
  observe(observer: ((seen: ObservedAnswer) => void) | undefined): void {
    this.#observer = observer;
  }

  /** Asks a route beside the traffic: without stages, capture and metrics. */
  async ask(route: Route, call: RequestCall): Promise<Prediction> {
    this.#enter();
    try {
      return await route.slot.use((served) =>
        this.#answerer.answer(served, call, { variant: route.name, staged: false, captured: false }),
      );
    } finally {
      this.#leave();
    }
  }

  /** What the reference means now. */
  async digestOf(ref: string, signal?: AbortSignal): Promise<Digest> {
    return (await this.#setting.source.resolve(ref, { signal })).digest;
  }

  /** Loads what the reference means now. */
  openSlot(
    ref: string,
    signal?: AbortSignal,
    runtimes: readonly ModelRuntime[] = this.#setting.runtimes,
  ): Promise<ModelSlot> {
    return ModelSlot.open(ref, this.#slotOptions(runtimes), { signal });
  }

  #slotOptions(runtimes: readonly ModelRuntime[] = this.#setting.runtimes): SlotOptions {
    const { source, instruments, clock, logger, warmUpMs } = this.#setting;
    const { featureService, onFeatureMismatch = "refuse" } = this.#options;
    const labels = { endpoint: this.name };
    return {
      endpoint: this.name,
      source,
      runtimes,
      features: this.#features,
      featureService,
      onFeatureMismatch,
      clock,
      logger,
      warmUpMs,
      warmPath:
        warmUpMs === undefined
          ? undefined
          : warmPath((options, setting) => new Endpoint(this.name, options, setting), this.#options, this.#setting),
      batching: {
        limits: this.limits,
        onBatch: (rows) => instruments.batchRows.observe(rows, labels),
        onQueue: (rows) => instruments.queueRows.set(rows, labels),
      },
    };
  }

  /** Throws `SERVING_MODEL_NOT_READY`. */
  assertReady(): void {
    if (this.readiness.state !== "ready") throw modelNotReady(this.name, this.readiness);
  }

  /** Where a request goes. Throws `SERVING_VARIANT_UNKNOWN`. */
  route(request: PredictRequest, requestId: string): Route {
    return routeOf(this.name, this.#routes, request, { requestId, seed: this.#setting.seed });
  }

  /** Throws at once, or by its promise. @param trail Is told what becomes known of the request. */
  predict(request: PredictRequest, trail: Trail = noTrail()): Soon<Prediction> {
    const { clock, ids } = this.#setting;
    request.signal?.throwIfAborted();
    this.assertReady();
    const requestId = request.requestId ?? ids.next();
    const startMs = clock.monotonicMs();
    const timings = noTimings();
    trail.requestId = requestId;
    trail.timings = timings;
    this.#enter();
    return watched(
      () => {
        const under = request.traceparent === undefined ? request : this.#underSpan(request, trail);
        return this.#answer({ endpoint: this.name, requestId, request: under, startMs, timings, trail });
      },
      (error) => {
        const totalMs = closeTimings(timings, startMs, clock.monotonicMs());
        if (error !== undefined && trail.variant === undefined)
          countInvocation(this.#setting.instruments, this.#labels.of("", ""), { error, totalMs, modelMs: 0 });
        this.#leave();
      },
    );
  }

  /** The request with a span of ours in place of its caller's. */
  #underSpan(request: PredictRequest, trail: Trail): PredictRequest {
    const { ids, openTelemetry } = this.#setting;
    if (openTelemetry !== undefined) return request;
    const traceparent = childTraceparent(request.traceparent ?? "", ids);
    trail.traceparent = traceparent;
    return merged(request, { traceparent });
  }

  #answerByVariant(call: RequestCall): Soon<Prediction> {
    const routes = this.#routes;
    const { targetModel } = call.request;
    const target = targetModel ?? (routes.length === 0 ? "" : undefined);
    const route = target === undefined ? this.route(call.request, call.requestId) : undefined;
    const variant = route?.name ?? targetVariant;
    call.trail.variant = variant;
    let statistics: ModelStatistics | undefined;
    const ask = (slot: ModelSlot): Soon<Prediction> =>
      slot.use((served) => {
        call.trail.model = served.identity;
        statistics = served.statistics;
        return this.#answerer.answer(served, call, { variant, staged: true, captured: true });
      });
    return watched(
      () =>
        route === undefined
          ? namedCatalog(this, call.request).use(target ?? "", call.request, async (slot) => ask(slot))
          : ask(route.slot),
      (error, answer) => {
        const latencyMs = this.#countEnd(call, target ?? variant, error, statistics);
        if (this.#observer !== undefined && route !== undefined)
          tellObserver(this.#observer, { call, route, routes, latencyMs, answer }, this.#setting.logger);
      },
    );
  }

  /** @returns how long it took, milliseconds. */
  #countEnd(
    { startMs, timings, trail }: RequestCall,
    unit: string,
    failure: unknown,
    statistics: ModelStatistics | undefined,
  ): number {
    const { clock, instruments } = this.#setting;
    const version = trail.model?.version === undefined ? "" : String(trail.model.version);
    const totalMs = clock.monotonicMs() - startMs;
    const labels = this.#labels.of(trail.variant ?? "", version);
    countInvocation(instruments, labels, { error: failure, totalMs, modelMs: timings.modelMs });
    statistics?.request(failure === undefined, timings, totalMs, startMs + totalMs);
    countUnit(this.traffic, unit, { failure, nowMs: startMs + totalMs });
    return totalMs;
  }

  async #openSideModel(ref: string, options: SideModelOptions): Promise<SideModel> {
    return sideModel(await this.openSlot(ref, options.signal, options.runtimes), this.#answerer, options);
  }

  /** Gives up all requests, those that wait and those that the models have. */
  abandon(reason: unknown): void {
    this.#door.close(reason);
    for (const { slot } of this.#routes) slot.served.batcher.abandon(reason);
  }

  /** Resolves when no request is being answered. */
  async idle(): Promise<void> {
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
  }

  /** The features as they may be seen for a request. Throws `SERVING_FORBIDDEN` where they are its caller's, and nobody said who that is. */
  #featuresFor({ entities, principal }: PredictRequest): FeatureSource | undefined {
    if (this.#options.readFeaturesAs !== "caller" || entities === undefined) return this.#features;
    if (principal === undefined)
      throw forbidden(this.name, "it reads features as its caller, and nobody said who that is");
    return this.#setting.featuresAs?.(principal);
  }

  #enter(): void {
    this.#inFlight += 1;
    this.#counted.inFlight += 1;
    this.#setting.instruments.inFlight.set(this.#counted.inFlight, { endpoint: this.name });
  }

  #leave(): void {
    this.#inFlight -= 1;
    this.#counted.inFlight -= 1;
    this.#setting.instruments.inFlight.set(this.#counted.inFlight, { endpoint: this.name });
    if (this.#inFlight === 0) this.#idle?.();
  }
}
