import {
  type CallOptions,
  type CapturedLabel,
  type Clock,
  type Deployer,
  type DeploymentStatus,
  type IdSource,
  type LabelSink,
  abortable,
  createIdSource,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import type { FastifyPluginAsync } from "fastify";
import { type AnsweringSite, answering } from "./http/answering.ts";
import type { RequestOutcome } from "./canary/recorder.ts";
import type { ServingDeploymentPlan } from "./canary/verdict-plan.ts";
import { Deployments } from "./rollout/deployments.ts";
import { Endpoint, type EndpointSetting } from "./engine/endpoint.ts";
import { atMost } from "./engine/deadline.ts";
import { checkModels } from "./health/check-models.ts";
import { sharedCheck } from "./health/deep-ping.ts";
import type { HealthCheck, HealthCheckOptions, ServerHealth } from "./health/health.ts";
import { healthOf } from "./health/health-of.ts";
import { Startup } from "./health/startup.ts";
import { catalogOf } from "./catalog/create-model-catalog.ts";
import { draining, endpointUnknown, forbidden } from "./errors.ts";
import { attributesOf } from "./auth/authenticate.ts";
import { discreetLogger } from "./capture/discreet-logger.ts";
import { answerCaller } from "./http/answer-caller.ts";
import { fastifyPlugin } from "./http/fastify-face.ts";
import type { HttpCaller } from "./http/http-message.ts";
import { type NodeHandler, nodeHandler } from "./http/node-face.ts";
import { createInstruments } from "./engine/instruments.ts";
import { invocationRoutes } from "./protocols/invocations.ts";
import { multiModelRoutes } from "./protocols/multi-model.ts";
import { keepFace } from "./protocols/faces.ts";
import { type ServerFace, openInferenceRoutes } from "./protocols/open-inference.ts";
import { openApiRoute } from "./protocols/openapi.ts";
import type { PredictRequest, Prediction } from "./engine/prediction.ts";
import type { Soon } from "./engine/settle.ts";
import type { Rollout } from "./rollout/rollout.ts";
import { tensorflowRoutes } from "./protocols/tensorflow.ts";
import { failureHeaders } from "./telemetry/answer-headers.ts";
import { type Availability, availabilityOf } from "./telemetry/availability.ts";
import { metricsRoutes } from "./telemetry/metrics-route.ts";
import { checkOptions } from "./server-checks.ts";
import type { DrainOptions, ModelServerOptions } from "./server-options.ts";
import { webHandler } from "./http/web-face.ts";

export type { DrainOptions, ModelServerOptions } from "./server-options.ts";

/** Answers from models, in this process. */
export interface ModelServer extends Deployer, LabelSink, AsyncDisposable {
  /** As the port says; a plan may ask for a statistical verdict too. */
  deploy(endpoint: string, plan: ServingDeploymentPlan, options?: CallOptions): Promise<DeploymentStatus>;
  /** Takes what turned out to be true of an answer, of any process that shares the `database`, while a deployment judges calibration by it. Never throws. */
  label(label: CapturedLabel): void;
  /** Takes a business figure that followed from an answer, of any process that shares the `database`, while a deployment judges by it. Never throws. */
  outcome(outcome: RequestOutcome): void;
  /**
   * Answers one request of one row or many. Throws `SERVING_ENDPOINT_UNKNOWN`, `SERVING_VARIANT_UNKNOWN`, `SERVING_REQUEST_INVALID`,
   * `SERVING_INPUT_INVALID`, `SERVING_OVERLOADED`, `SERVING_MODEL_FAILED`, `SERVING_DRAINING`, `SERVING_MODEL_NOT_READY`, and what features and transforms throw.
   */
  predict(endpoint: string, request: PredictRequest): Promise<Prediction>;
  /** The Open Inference Protocol, SageMaker's container contract and `/endpoints/:endpoint/predict`: `await app.register(server.fastify)`. */
  readonly fastify: FastifyPluginAsync;
  /** The same as a listener of `node:http`, and as a middleware of Express: `http.createServer(server.node)`, `app.use("/ml", server.node)`. */
  readonly node: NodeHandler;
  /** The same for whatever speaks the web's `Request` and `Response`: Hono, Next, Deno, Bun. */
  handle(request: Request): Promise<Response>;
  /**
   * Shares the traffic of an endpoint's variants anew; those not named keep their weight. With `database` it outlives the process and holds for all that share it,
   * until the configuration names other variants. Throws `SERVING_ENDPOINT_UNKNOWN`, `SERVING_VARIANT_UNKNOWN`, `SERVING_DEPLOYMENT_INVALID`.
   * @returns the weights of all variants.
   */
  setWeights(
    endpoint: string,
    weights: Readonly<Record<string, number>>,
    options?: CallOptions,
  ): Promise<Readonly<Record<string, number>>>;
  /**
   * The server's own view of its latest five minutes: the share of requests that did not fail because of it, by endpoint and variant, or model where
   * requests name them, weighted by their traffic. What is turned away at the door is not in it: `millwright_serving_shed_total` counts that.
   */
  availability(): Availability;
  /** How the server and each of its endpoints stand, and why. */
  health(): ServerHealth;
  /** Asks every model its golden requests, beside the traffic, and tells what came of it. Rejects on abort. */
  checkHealth(options?: HealthCheckOptions): Promise<HealthCheck>;
  /** Whether every endpoint takes requests and will. */
  readonly ready: boolean;
  /** Says not ready, takes requests for `graceMs` more, answers those it has and closes everything but what was passed in. On abort the waiting ends, not the draining. */
  drain(options?: DrainOptions): Promise<void>;
}

/**
 * Loads the model of every variant, asks its golden requests, and is ready when this resolves; a deployment that a process before this one
 * left in the middle is taken up. With `startup: "background"` it resolves before, with `onLoadFailure: "degrade"` in spite of models that do not load.
 * Throws what the source, the runtimes and golden requests throw, and `SERVING_FEATURE_SERVICE_MISMATCH`.
 */
export async function openModelServer(options: ModelServerOptions): Promise<ModelServer> {
  checkOptions(options);
  const { clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  const ids = options.ids ?? createIdSource(clock);
  const { redactor, logger = silentLogger } = options;
  const told = redactor === undefined ? logger : discreetLogger(logger);
  const server = new OpenServer({ ...options, clock, ids, logger: told });
  try {
    await server.open();
  } catch (error) {
    await server.drain();
    throw error;
  }
  return server;
}

type Setting = ModelServerOptions & { readonly clock: Clock; readonly ids: IdSource };

class OpenServer implements ModelServer {
  readonly fastify: FastifyPluginAsync;
  readonly node: NodeHandler;
  readonly handle: (request: Request) => Promise<Response>;
  readonly #options: Setting;
  readonly #endpoints = new Map<string, Endpoint>();
  #deployments: Deployments | undefined;
  #startup: Startup | undefined;
  #state: "open" | "leaving" | "closed" = "open";
  #draining: Promise<void> | undefined;

  constructor(options: Setting) {
    this.#options = options;
    const { maxBodyBytes = 16 * 1024 * 1024, bodyTimeoutMs = 60_000, authenticate } = options;
    const isReady = (): boolean => this.ready;
    const face: ServerFace = {
      endpoint: (name) => this.#endpoint(name),
      endpoints: () => [...this.#endpoints.values()],
      clock: options.clock,
      maxBodyBytes,
      authenticate,
      defaultEndpoint: () => this.#endpoint(options.defaultEndpoint ?? Object.keys(options.endpoints)[0] ?? ""),
      placeOf: (model) => this.#placeOf(model),
      predict: (endpoint, request, caller) => this.#predictFor(endpoint, request, caller),
      authorize: (action, endpoint, caller, { signal }) => this.#authorize(action, endpoint, caller, { signal }),
      principalOf: (caller) => this.#principalOf(caller),
      get ready() {
        return isReady();
      },
      health: () => this.health(),
      deepPing: options.deepPing === true ? sharedCheck(options.clock, () => this.checkHealth()) : undefined,
    };
    keepFace(this, face);
    const isLeaving = (): boolean => this.#draining !== undefined;
    const site: AnsweringSite = {
      failed: (headers) => failureHeaders(headers, options.ids),
      get leaving() {
        return isLeaving();
      },
    };
    const { models } = options.endpoints[options.defaultEndpoint ?? Object.keys(options.endpoints)[0] ?? ""] ?? {};
    const multiModel = models === undefined ? [] : multiModelRoutes(face, face.defaultEndpoint, catalogOf(models));
    const described = [
      ...openInferenceRoutes(face),
      ...tensorflowRoutes(face),
      ...invocationRoutes(face),
      ...multiModel,
      ...metricsRoutes(options.metrics),
    ];
    const openApi = openApiRoute(described, {
      face,
      endpoints: this.#endpoints,
      authenticates: authenticate !== undefined,
    });
    const limits = { maxBodyBytes, bodyTimeoutMs, authenticate, exchanges: options.exchanges };
    const routes = [...described, openApi].map((route) => answering(route, limits, site));
    this.fastify = fastifyPlugin(routes);
    this.node = nodeHandler(routes);
    this.handle = webHandler(routes);
  }

  get ready(): boolean {
    return this.health().ready;
  }

  health(): ServerHealth {
    return healthOf(this.#state, [...this.#endpoints.values()]);
  }

  async checkHealth(options: HealthCheckOptions = {}): Promise<HealthCheck> {
    return checkModels([...this.#endpoints.values()], this.#options, options);
  }

  async open(): Promise<void> {
    const { endpoints, meter = silentMeter, logger = silentLogger, clock, ids } = this.#options;
    const { source, runtimes, features, featuresAs, predictions, redactor, seed = 0 } = this.#options;
    const setting: EndpointSetting = {
      source,
      runtimes,
      features,
      featuresAs,
      predictions,
      redactor,
      instruments: createInstruments(meter),
      meter,
      clock,
      ids,
      logger,
      openTelemetry: this.#options.openTelemetry,
      seed,
    };

    for (const [name, options] of Object.entries(endpoints))
      this.#endpoints.set(name, new Endpoint(name, options, setting));
    const deployments = await Deployments.open({ ...this.#options, logger });
    this.#deployments = deployments;
    const { onLoadFailure = "fail", loadRetryMs: retryMs = 1_000 } = this.#options;
    const opened = [...this.#endpoints.values()].map(
      (endpoint) => [endpoint, endpoints[endpoint.name]?.variants ?? {}] as const,
    );
    this.#startup = new Startup({ deployments, endpoints: opened, onLoadFailure, retryMs, clock, logger });
    await this.#start();
  }

  async #start(): Promise<void> {
    const { startup = "wait", signal } = this.#options;
    if (startup === "background") this.#startup?.runInBackground(signal);
    else await this.#startup?.run(signal);
  }

  async predict(endpoint: string, request: PredictRequest): Promise<Prediction> {
    this.#assertOpen();
    return this.#endpoint(endpoint).predict(request);
  }

  label(label: CapturedLabel): void {
    if (typeof label === "object" && label !== null) this.#deployments?.label(label);
  }

  outcome(outcome: RequestOutcome): void {
    if (typeof outcome === "object" && outcome !== null) this.#deployments?.outcome(outcome);
  }

  availability(): Availability {
    const nowMs = this.#options.clock.monotonicMs();
    return availabilityOf(
      [...this.#endpoints.values()].flatMap((endpoint) =>
        endpoint.traffic.units(nowMs).map((unit) => ({ ...unit, name: `${endpoint.name}/${unit.name}` })),
      ),
    );
  }

  #assertOpen(): void {
    if (this.#state === "closed") throw draining();
  }

  async deploy(...[endpoint, plan, options]: Parameters<ModelServer["deploy"]>): ReturnType<Deployer["deploy"]> {
    options?.signal?.throwIfAborted();
    return this.#rollout(endpoint).deploy(plan, options);
  }

  async rollback(...[endpoint, reason, options]: Parameters<Deployer["rollback"]>): ReturnType<Deployer["rollback"]> {
    options?.signal?.throwIfAborted();
    return this.#rollout(endpoint).rollback(reason, options);
  }

  async status(...[endpoint, options]: Parameters<Deployer["status"]>): ReturnType<Deployer["status"]> {
    options?.signal?.throwIfAborted();
    return this.#deployments?.rollout(endpoint)?.status(options);
  }

  async setWeights(
    ...[endpoint, weights, options]: Parameters<ModelServer["setWeights"]>
  ): ReturnType<ModelServer["setWeights"]> {
    options?.signal?.throwIfAborted();
    const asked = this.#endpoint(endpoint);
    asked.assertReady();
    const found = this.#deployments?.weights(asked.name);
    if (found === undefined || this.#state === "closed") throw draining();
    return found.set(weights, options);
  }

  async drain({ signal, ...options }: DrainOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#draining ??= this.#drain(options);
    await abortable(this.#draining, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #drain({ graceMs = 0, timeoutMs }: DrainOptions): Promise<void> {
    const { clock } = this.#options;
    this.#state = "leaving";
    if (graceMs > 0) await clock.sleep(graceMs);
    this.#state = "closed";
    const endpoints = [...this.#endpoints.values()];
    await this.#startup?.close();
    await this.#deployments?.stop();
    await atMost(timeoutMs, clock, Promise.all(endpoints.map((endpoint) => endpoint.idle())), () => {
      for (const endpoint of endpoints) endpoint.abandon(draining());
    });
    await Promise.all(endpoints.map((endpoint) => endpoint.closeStages()));
    await this.#deployments?.close(endpoints);
  }

  #endpoint(name: string): Endpoint {
    const found = this.#endpoints.get(name);
    if (found === undefined) throw endpointUnknown(name, [...this.#endpoints.keys()]);
    return found;
  }

  #rollout(name: string): Rollout {
    const endpoint = this.#endpoint(name);
    endpoint.assertReady();
    const found = this.#deployments?.rollout(name);
    if (found === undefined || this.#state === "closed") throw draining();
    return found;
  }

  #predictFor(name: string, request: PredictRequest, caller: HttpCaller): Soon<Prediction> {
    const endpoint = (): Endpoint => {
      this.#assertOpen();
      return this.#endpoint(name);
    };
    const ask = (): Soon<Prediction> => answerCaller(endpoint, request, caller, this.#principalOf(caller));
    if (this.#options.authorizer === undefined) return ask();
    return this.#authorize("endpoint:invoke", name, caller, { signal: request.signal }).then(ask);
  }

  #principalOf({ identity, headers }: HttpCaller): string | undefined {
    return identity?.principal ?? this.#options.principal?.(headers);
  }

  async #authorize(action: string, endpoint: string, caller: HttpCaller, { signal }: CallOptions): Promise<void> {
    const { authorizer } = this.#options;
    if (authorizer === undefined) return;
    const principal = this.#principalOf(caller);
    const decision = await authorizer.decide(
      { principal, action, resource: `endpoint/${endpoint}`, attributes: attributesOf(caller.identity) },
      { signal },
    );
    if (!decision.allowed) throw forbidden(endpoint, decision.reason);
  }

  /** A name that is no endpoint's is a model's of the first endpoint with a catalog. */
  #placeOf(model: string): ReturnType<ServerFace["placeOf"]> {
    const found = this.#endpoints.get(model);
    if (found !== undefined) return { endpoint: found };
    const holder = [...this.#endpoints.values()].find(({ catalog }) => catalog !== undefined);
    return holder === undefined ? { endpoint: this.#endpoint(model) } : { endpoint: holder, targetModel: model };
  }
}
