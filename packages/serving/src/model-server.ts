import { OpenServer } from "./open-server.ts";
import {
  type CallOptions,
  type CapturedLabel,
  type Deployer,
  type DeploymentStatus,
  type LabelSink,
  createIdSource,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import type { FastifyPluginAsync } from "fastify";
import type { RequestOutcome } from "./canary/recorder.ts";
import type { ServingDeploymentPlan } from "./canary/verdict-plan.ts";
import type { HealthCheck, HealthCheckOptions, ServerHealth } from "./health/health.ts";
import { discreetLogger } from "./capture/discreet-logger.ts";
import type { NodeHandler } from "./http/node-face.ts";
import type { PredictRequest, Prediction } from "./engine/prediction.ts";
import type { Availability } from "./telemetry/availability.ts";
import type { Reconfigurable } from "./reload/configuration.ts";
import { checkOptions } from "./server-checks.ts";
import type { DrainOptions, ModelServerOptions } from "./server-options.ts";

export type { DrainOptions, ModelServerOptions } from "./server-options.ts";

/** Answers from models, in this process. */
export interface ModelServer extends Deployer, Reconfigurable, LabelSink, AsyncDisposable {
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
