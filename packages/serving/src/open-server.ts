import { answerCaller } from "./http/answer-caller.ts";
import type { Soon } from "./engine/settle.ts";
import { endpointSettingOf } from "./server-setting.ts";
import type { ModelServer } from "./model-server.ts";
import {
  type CallOptions,
  type CapturedLabel,
  type Clock,
  type Deployer,
  type IdSource,
  abortable,
  silentLogger,
} from "@millwright/contracts";
import type { FastifyPluginAsync } from "fastify";
import type { RequestOutcome } from "./canary/recorder.ts";
import { Deployments } from "./rollout/deployments.ts";
import { Endpoint } from "./engine/endpoint.ts";
import { atMost } from "./engine/deadline.ts";
import { checkModels } from "./health/check-models.ts";
import { sharedCheck } from "./health/deep-ping.ts";
import type { HealthCheck, HealthCheckOptions, ServerHealth } from "./health/health.ts";
import { healthOf } from "./health/health-of.ts";
import { Startup } from "./health/startup.ts";
import { draining, endpointUnknown, forbidden } from "./errors.ts";
import { attributesOf } from "./auth/authenticate.ts";
import type { HttpCaller } from "./http/http-message.ts";
import type { NodeHandler } from "./http/node-face.ts";
import { keepFace } from "./protocols/faces.ts";
import type { ServerFace } from "./protocols/open-inference.ts";
import type { PredictRequest, Prediction } from "./engine/prediction.ts";
import type { AnsweringSite } from "./http/answering.ts";
import type { Rollout } from "./rollout/rollout.ts";
import { failureHeaders } from "./telemetry/answer-headers.ts";
import { type Availability, availabilityOf } from "./telemetry/availability.ts";
import type {
  ConfigurationVersion,
  CurrentConfiguration,
  HistoryOptions,
  Reconfigurable,
  Reconfigured,
  RollbackConfigurationOptions,
} from "./reload/configuration.ts";
import { HeldNames } from "./rollout/held-names.ts";
import { Configurations } from "./reload/configurations.ts";
import { createFaces } from "./server-faces.ts";
import type { DrainOptions, ModelServerOptions } from "./server-options.ts";

export type ServerSetting = ModelServerOptions & { readonly clock: Clock; readonly ids: IdSource };

/** A server between its opening and its end. */
export class OpenServer implements ModelServer {
  readonly fastify: FastifyPluginAsync;
  readonly node: NodeHandler;
  readonly handle: (request: Request) => Promise<Response>;
  readonly #options: ServerSetting;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #configurations: Configurations;
  /** Endpoints that a deployment is begun or ended of: their configuration does not change meanwhile. */
  readonly #deploying = new HeldNames();
  #deployments: Deployments | undefined;
  #startup: Startup | undefined;
  #state: "open" | "leaving" | "closed" = "open";
  #draining: Promise<void> | undefined;

  constructor(options: ServerSetting) {
    this.#options = options;
    this.#configurations = this.#createConfigurations(options);
    const { maxBodyBytes = 16 * 1024 * 1024, authenticate } = options;
    const isReady = (): boolean => this.ready;
    const face: ServerFace = {
      endpoint: (name) => this.#endpoint(name),
      endpoints: () => [...this.#endpoints.values()],
      clock: options.clock,
      maxBodyBytes,
      authenticate,
      exchanges: options.exchanges,
      defaultEndpoint: () => this.#endpoint(this.#configurations.defaultEndpoint),
      placeOf: (model) => this.#placeOf(model),
      predict: (endpoint, request, caller) => this.#predictFor(endpoint, request, caller),
      authorize: (action, endpoint, caller, { signal }) =>
        this.#authorize(action, `endpoint/${endpoint}`, caller, { signal }),
      authorizeServer: (action, caller, { signal }) => this.#authorize(action, "server", caller, { signal }),
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
    const faces = createFaces(options, {
      face,
      site,
      endpoints: this.#endpoints,
      models: this.#configurations.defaultOptions?.models,
      configuration: this,
    });
    this.fastify = faces.fastify;
    this.node = faces.node;
    this.handle = faces.handle;
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

  #createConfigurations(options: ServerSetting): Configurations {
    const { endpoints, defaultEndpoint, parts = {}, features, featuresAs, alerts } = options;
    const { database, events, pollMs = 500, clock, logger = silentLogger, watch = true } = options;
    const setting = endpointSettingOf(options);
    return new Configurations({
      opening: { endpoints, defaultEndpoint },
      site: {
        parts,
        readsFeaturesAs: features !== undefined && featuresAs !== undefined,
        hasAlerts: alerts !== undefined,
      },
      database,
      events,
      pollMs,
      clock,
      logger,
      watch,
      endpoints: this.#endpoints,
      create: (name, given, before) => new Endpoint(name, given, setting, before),
      busyWith: (name) => (this.#deploying.has(name) ? "a deployment to it is being begun or ended" : undefined),
    });
  }

  async open(): Promise<void> {
    const { logger = silentLogger, clock, signal } = this.#options;
    await this.#configurations.restore(signal);
    const opened = this.#configurations.open();
    const deployments = await Deployments.open({ ...this.#options, logger });
    this.#deployments = deployments;
    const { onLoadFailure = "fail", loadRetryMs: retryMs = 1_000 } = this.#options;
    this.#startup = new Startup({ deployments, endpoints: opened, onLoadFailure, retryMs, clock, logger });
    await this.#start();
    this.#configurations.follow({ deployments, startup: this.#startup });
  }

  get configuration(): CurrentConfiguration {
    return this.#configurations.current;
  }

  async reconfigure(...given: Parameters<Reconfigurable["reconfigure"]>): ReturnType<Reconfigurable["reconfigure"]> {
    this.#assertOpen();
    return this.#configurations.reconfigure(...given);
  }

  async rollbackConfiguration(options?: RollbackConfigurationOptions): Promise<Reconfigured> {
    this.#assertOpen();
    return this.#configurations.rollback(options);
  }

  async configurations(options?: HistoryOptions): Promise<readonly ConfigurationVersion[]> {
    return this.#configurations.history(options);
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
    await this.#configurations.settled();
    const { rollbackOn } = this.#endpoint(endpoint).options;
    const whole = rollbackOn === undefined || plan?.rollbackOn !== undefined ? plan : { ...plan, rollbackOn };
    return this.#deploying.hold(endpoint, () => this.#rollout(endpoint).deploy(whole, options));
  }

  async rollback(...[endpoint, reason, options]: Parameters<Deployer["rollback"]>): ReturnType<Deployer["rollback"]> {
    options?.signal?.throwIfAborted();
    await this.#configurations.settled();
    return this.#deploying.hold(endpoint, () => this.#rollout(endpoint).rollback(reason, options));
  }

  async status(...[endpoint, options]: Parameters<Deployer["status"]>): ReturnType<Deployer["status"]> {
    options?.signal?.throwIfAborted();
    return this.#deployments?.rollout(endpoint)?.status(options);
  }

  async setWeights(
    ...[endpoint, weights, options]: Parameters<ModelServer["setWeights"]>
  ): ReturnType<ModelServer["setWeights"]> {
    options?.signal?.throwIfAborted();
    await this.#configurations.settled();
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
    await this.#configurations.stop();
    const endpoints = [...this.#endpoints.values()];
    const answering = [...endpoints, ...this.#configurations.retiring];
    await this.#startup?.close();
    await this.#deployments?.stop();
    await atMost(timeoutMs, clock, Promise.all(answering.map((endpoint) => endpoint.idle())), () => {
      for (const endpoint of answering) endpoint.abandon(draining());
    });
    await this.#configurations.close();
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
    return this.#authorize("endpoint:invoke", `endpoint/${name}`, caller, { signal: request.signal }).then(ask);
  }

  #principalOf({ identity, headers }: HttpCaller): string | undefined {
    return identity?.principal ?? this.#options.principal?.(headers);
  }

  async #authorize(action: string, resource: string, caller: HttpCaller, { signal }: CallOptions): Promise<void> {
    const { authorizer } = this.#options;
    if (authorizer === undefined) return;
    const principal = this.#principalOf(caller);
    const decision = await authorizer.decide(
      { principal, action, resource, attributes: attributesOf(caller.identity) },
      { signal },
    );
    if (!decision.allowed) throw forbidden(resource.replace(/^endpoint\//, ""), decision.reason);
  }

  /** A name that is no endpoint's is a model's of the first endpoint with a catalog. */
  #placeOf(model: string): ReturnType<ServerFace["placeOf"]> {
    const found = this.#endpoints.get(model);
    if (found !== undefined) return { endpoint: found };
    const holder = [...this.#endpoints.values()].find(({ catalog }) => catalog !== undefined);
    return holder === undefined ? { endpoint: this.#endpoint(model) } : { endpoint: holder, targetModel: model };
  }
}
