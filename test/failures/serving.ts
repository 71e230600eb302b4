import fastify from "../../packages/serving/node_modules/fastify/fastify.js";
import { expect } from "vitest";
import { type ErrorCategory, MillwrightError } from "../../packages/contracts/dist/index.js";
import * as model from "../../packages/model/dist/index.js";
import * as serving from "../../packages/serving/dist/index.js";
import { asyncSubjects } from "./serving-async.ts";
import { capturing } from "./serving-capture.ts";
import { explaining } from "./serving-explanations.ts";
import { authenticators } from "./serving-auth.ts";
import { clientSubjects } from "./serving-clients.ts";
import { remoteSubjects } from "./serving-remote.ts";
import { containers } from "./serving-container.ts";
import { hosts, nodePair } from "./serving-hosts.ts";
import { servingLoad } from "./serving-load.ts";
import { kubernetesSubjects } from "./serving-kubernetes.ts";
import { isolation } from "./serving-isolation.ts";
import * as storage from "../../packages/storage/dist/index.js";
import { reloadSubjects } from "./serving-reload.ts";
import { experimentSubjects } from "./serving-experiment.ts";
import { engineSubjects } from "./serving-engine.ts";
import { rolloutSubjects } from "./serving-rollout.ts";
import { caching } from "./serving-caching.ts";
import { tenants } from "./serving-tenants.ts";
import { catalogSubjects } from "./serving-catalog.ts";
import { transformSubjects } from "./serving-transform.ts";
import { protocolSubjects } from "./serving-protocols.ts";
import { servingChaos } from "./serving-chaos.ts";
import { servingStages } from "./serving-stages.ts";
import { type FailureTable, methods, well } from "./subjects.ts";

interface Told {
  readonly error: string;
  readonly code: string;
  readonly category: ErrorCategory;
  readonly retryable: boolean;
  readonly docs: string;
}

const signal = new AbortController().signal;
const ask = (path: string, body: string, type = "application/json"): Request =>
  new Request(`http://localhost${path}`, { method: "POST", headers: { "content-type": type }, body });
const infer = JSON.stringify({
  inputs: [{ name: "features", datatype: "FP32", shape: [1, 2], data: [1, 2] }],
  outputs: [{ name: "other" }],
});

export async function openTable(folder: string): Promise<FailureTable> {
  const dense = model.writeDenseModel([{ kernel: [0.5, 0.25], bias: [0.1], activation: "sigmoid" }]);
  await model.packModel(`${folder}/late/1`, { name: "late", format: "dense", ...dense });
  await model.packModel(`${folder}/late/2`, { name: "late", format: "dense", ...dense });
  const options = {
    source: model.openDirectoryModelSource(folder),
    runtimes: [model.denseRuntime()],
    endpoints: {
      late: { variants: { main: { model: "late/1", weight: 1 } }, maxBatchRows: 4, maxQueueRows: 8 },
      split: { variants: { a: { model: "late/1", weight: 1 }, b: { model: "late/2", weight: 1 } } },
    },
    gates: { freeze: { check: async () => ({ open: false, reason: "nobody deploys on a Friday" }) } },
    maxBodyBytes: 1_000,
    watch: false,
  };
  const isolated = isolation(folder);
  const server = await serving.openModelServer(options);
  const database = await storage.openSqlite(`${folder}/experiments.db`);
  const drained = await serving.openModelServer(options);
  await drained.drain();
  const degraded = await serving.openModelServer({
    ...options,
    endpoints: { late: { variants: { main: { model: "other/1", weight: 1 } } } },
    onLoadFailure: "degrade",
    loadRetryMs: 60_000,
  });
  const catalogs = await catalogSubjects(folder);
  const served = await containers(folder);
  /** The error that the body tells, as it would have been thrown. */
  const answered = async (request: Request): Promise<void> => {
    const { error, code, category, retryable, docs } = (await (await server.handle(request)).json()) as Told;
    expect(docs).toBe(`docs/errors.md#${code.toLowerCase()}`);
    throw new MillwrightError(code, error, { category, retryable, remedy: "As the body says." });
  };
  const features = { dtype: "float32" as const, shape: [1, 2], data: Float32Array.of(1, 2) };
  const app = { listen: () => Promise.resolve("http://127.0.0.1:1") };
  const busy = { listen: () => Promise.reject(Object.assign(new TypeError("in use"), { code: "EADDRINUSE" })) };
  const unknown = (call: () => unknown) => ({ SERVING_ENDPOINT_UNKNOWN: call });
  return {
    subjects: {
      ...catalogs,
      ...caching,
      ...tenants,
      ...(await asyncSubjects(folder)),
      ...(await capturing(folder)),
      ...explaining(),
      openModelServer: well(
        serving.openModelServer,
        () => [{ ...options, maxBodyBytes: 1_000, pollMs: 100, leaseTtlMs: 1_000, seed: 1, signal }],
        {
          PORT_MODEL_UNKNOWN: () =>
            serving.openModelServer({
              ...options,
              endpoints: { late: { variants: { main: { model: "other/1", weight: 1 } } } },
            }),
        },
        60,
      ),
      ...isolated.subjects,
      // Before the server is drained.
      ...(await rolloutSubjects(server, database)),
      ...reloadSubjects(folder, server, options),
      ...(await experimentSubjects(database)),
      ...engineSubjects,
      httpStatusOf: well(serving.httpStatusOf, () => [new TypeError("x")]),
      listen: well(serving.listen, () => [app, { port: 0, host: "127.0.0.1" }], {
        SERVING_PORT_BUSY: () => serving.listen(busy as never, { port: 1 }),
      }),
      ...hosts(server),
      ...served.subjects,
      ...authenticators(),
      ...servingLoad(),
      ...clientSubjects(),
      ...(await remoteSubjects(folder)),
      ...kubernetesSubjects(),
      ...servingStages(),
      ...protocolSubjects(server),
      ...servingChaos(),
      ...methods("openModelServer()", () => server, {
        predict: [
          () => ["late", { instances: [[1, 2]], requestId: "r1", signal }],
          {
            ...unknown(() => server.predict("other", { instances: [[1, 2]] })),
            SERVING_REQUEST_INVALID: () => server.predict("late", {}),
            "SERVING_INPUT_INVALID: a row too long": () => server.predict("late", { instances: [[1, 2, 3]] }),
            "SERVING_INPUT_INVALID: a shape": () =>
              server.predict("late", { inputs: { features: { ...features, shape: [1, 3] } } }),
            SERVING_VARIANT_UNKNOWN: () => server.predict("late", { instances: [[1, 2]], variant: "other" }),
            SERVING_DRAINING: () => drained.predict("late", { instances: [[1, 2]] }),
          },
          150,
        ],
        handle: [
          () => [ask("/endpoints/late/predict", '{"instances":[[1,2]]}')],
          {
            SERVING_ROUTE_UNKNOWN: () => answered(ask("/nowhere", "{}")),
            SERVING_METHOD_UNSUPPORTED: () => answered(new Request("http://localhost/invocations")),
            SERVING_BODY_INVALID: () => answered(ask("/endpoints/late/predict", "{")),
            SERVING_BODY_TOO_LARGE: () => answered(ask("/endpoints/late/predict", " ".repeat(5_000))),
            SERVING_CONTENT_TYPE_UNSUPPORTED: () => answered(ask("/invocations", "x", "image/png")),
            SERVING_OUTPUT_UNKNOWN: () => answered(ask("/v2/models/late/infer", infer)),
          },
          30,
        ],
        deploy: [
          () => ["late", { model: "late/2", traffic: { type: "all-at-once" } }, { signal }],
          {
            ...unknown(() => server.deploy("other", { model: "late/2", traffic: { type: "all-at-once" } })),
            SERVING_DEPLOYMENT_GATED: () =>
              server.deploy("late", { model: "late/2", traffic: { type: "all-at-once" }, gates: ["freeze"] }),
          },
          40,
        ],
        rollback: [() => ["late", "because", { signal }], unknown(() => server.rollback("other", "because")), 20],
        open: [() => [], {}, 0],
        status: [() => ["late", { signal }]],
        fastify: [() => [fastify(), {}], {}, 0],
        node: [nodePair, {}, 0],
        availability: [() => []],
        health: [() => []],
        checkHealth: [
          () => [{ signal, timeoutMs: 1_000 }],
          { SERVING_MODEL_NOT_READY: () => degraded.predict("late", { instances: [[1, 2]] }) },
          20,
        ],
        drain: [() => [{ graceMs: 10, timeoutMs: 1000 }], {}, 0],
      }),
      ...(await transformSubjects(folder, options)),
    },
    elsewhere: {
      SERVING_CONFIGURATION_BUSY: "packages/serving/test/reconfigure-durable.test.ts",
      SERVING_CONFIGURATION_NEWER: "packages/serving/test/reconfigure-durable.test.ts",
      SERVING_SCHEMA_MISMATCH: "packages/serving/test/validation.test.ts",
      SERVING_DEADLINE_EXCEEDED: "packages/serving/test/admission.test.ts",
      SERVING_REQUEST_SHED: "packages/serving/test/admission.test.ts",
      SERVING_TENANT_QUOTA: "packages/serving/test/tenants.test.ts",
      SERVING_IDEMPOTENCY_KEY_REUSED: "packages/serving/test/idempotency.test.ts",
      SERVING_BODY_TIMED_OUT: "packages/serving/test/hostile-clients.test.ts",
      ...isolated.elsewhere,
      SERVING_ASYNC_TIMED_OUT: "packages/serving/test/async.test.ts",
      SERVING_TRANSFORM_ERROR_RATE: "packages/serving/test/transform-errors.test.ts",
      SERVING_GRAPH_FAILED: "packages/serving/test/graph.test.ts",
      SERVING_GRAPH_LATE: "packages/serving/test/graph.test.ts",
      SERVING_ANSWER_LATE: "packages/serving/test/fallback.test.ts",
      SERVING_CIRCUIT_OPEN: "packages/serving/test/fallback.test.ts",
      SERVING_ALERTS_ABSENT: "packages/serving/test/deployer.test.ts",
      SERVING_DEPLOYMENT_INVALID: "packages/serving/test/deployer.test.ts",
      SERVING_DEPLOYMENT_NEWER: "packages/serving/test/deployer.test.ts",
      SERVING_FEATURE_SERVICE_MISMATCH: "packages/serving/test/features.test.ts",
      SERVING_FORBIDDEN: "packages/serving/test/sagemaker.test.ts",
      SERVING_MODEL_FAILED: "packages/serving/test/model-server.test.ts",
      SERVING_OVERLOADED: "packages/serving/test/model-server.test.ts",
      SERVING_VERSION_UNKNOWN: "packages/serving/test/open-inference.test.ts",
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await degraded[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await isolated[Symbol.asyncDispose]();
      await catalogs[Symbol.asyncDispose]();
      await served.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
