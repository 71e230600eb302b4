import * as rollout from "../../packages/serving/dist/rollout.js";
import type { Database } from "../../packages/storage/dist/index.js";
import type { ModelServer } from "../../packages/serving/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

const signal = new AbortController().signal;
const canary = {
  BlueGreenUpdatePolicy: {
    TrafficRoutingConfiguration: {
      Type: "CANARY",
      WaitIntervalInSeconds: 60,
      CanarySize: { Type: "CAPACITY_PERCENT", Value: 10 },
    },
  },
} as const;
const plan = { model: "late/2", traffic: { type: "canary", share: 0.1, bakeMs: 1000 } } as const;
const http = {
  url: "http://alerts",
  fetch: async () => new Response("{}", { status: 500 }),
};

const fleet = {
  replicas: async () => [
    { id: "a", model: "late/1" },
    { id: "b", model: "late/1" },
  ],
  update: async () => {
    throw new TypeError("out of memory");
  },
};
const rolling = { fleet, endpoint: "late", model: "late/2", before: "late/1", batchShare: 0.5 };

/** @param server Serves `split`, with the variants a and b, and `late`, with one. */
export async function rolloutSubjects(server: ModelServer, database: Database): Promise<Subjects> {
  const shared = { database, endpoint: "late", pollMs: 10 };
  const opened = await rollout.openDatabaseFleet(shared);
  const member = await rollout.joinFleet({ ...shared, server, replica: "r1", model: "late/1" });
  await member[Symbol.asyncDispose]();
  return {
    rollingFromSageMaker: well(
      rollout.rollingFromSageMaker,
      () => [
        {
          RollingUpdatePolicy: {
            MaximumBatchSize: { Type: "CAPACITY_PERCENT", Value: 10 },
            WaitIntervalInSeconds: 1,
          },
        },
        { instances: 10 },
      ],
      { SERVING_DEPLOYMENT_INVALID: () => rollout.rollingFromSageMaker({}) },
    ),
    rollingUpdate: well(
      rollout.rollingUpdate,
      () => [{ ...rolling, model: "late/1", waitMs: 0, rollbackBatchShare: 1, signal }],
      { SERVING_DEPLOYMENT_INVALID: () => rollout.rollingUpdate({ ...rolling, batchShare: 0.6 }) },
      30,
    ),
    openDatabaseFleet: well(rollout.openDatabaseFleet, () => [{ ...shared, ttlMs: 1000, signal }], {}, 10),
    ...methods("openDatabaseFleet()", () => opened, {
      replicas: [() => [{ signal }], {}, 10],
      settle: [() => ["late/1", { signal }], {}, 10],
      update: [
        () => ["r1", "late/1", { signal }],
        { SERVING_REPLICA_FAILED: () => opened.update("nobody", "late/2") },
        10,
      ],
    }),
    joinFleet: well(
      async (options: rollout.JoinFleetOptions) => (await rollout.joinFleet(options))[Symbol.asyncDispose](),
      () => [{ ...shared, server, replica: "r2", model: "late/1" }],
      {},
      0,
    ),
    planFromSageMaker: well(rollout.planFromSageMaker, () => [canary, { model: "late/2", instances: 10 }], {
      SERVING_DEPLOYMENT_INVALID: () =>
        rollout.planFromSageMaker({ AutoRollbackConfiguration: { Alarms: [{ AlarmName: "" }] } }, { model: "late/2" }),
    }),
    planToSageMaker: well(rollout.planToSageMaker, () => [plan], {
      "SERVING_DEPLOYMENT_INVALID: half a second": () =>
        rollout.planToSageMaker({ ...plan, traffic: { ...plan.traffic, bakeMs: 500 } }),
    }),
    errorBudgetGate: well(rollout.errorBudgetGate, () => [{ remaining: () => 1, minimum: 0.1, whenUnknown: "allow" }]),
    ...methods("errorBudgetGate()", () => rollout.errorBudgetGate({ remaining: () => 1 }), {
      check: [() => [{ endpoint: "late", plan }, { signal }]],
    }),
    createAlertmanagerSource: well(rollout.createAlertmanagerSource, () => [{ ...http, pollMs: 1000 }], {
      SERVING_ALERTS_UNREADABLE: () => rollout.createAlertmanagerSource(http).alerts("endpoint/late"),
    }),
    createPrometheusSource: well(rollout.createPrometheusSource, () => [{ ...http, pollMs: 1000 }], {
      SERVING_ALERTS_UNREADABLE: () => rollout.createPrometheusSource(http).alerts("endpoint/late"),
    }),
    createCloudWatchSource: well(
      rollout.createCloudWatchSource,
      () => [{ client: { describeAlarms: async () => ({}) }, alarms: ["errors"], insufficientData: "ok" }],
      {
        SERVING_ALERTS_UNREADABLE: () =>
          rollout
            .createCloudWatchSource({
              client: { describeAlarms: async () => ({}) },
              alarms: ["errors"],
              insufficientData: "ok",
            })
            .alerts("endpoint/late"),
      },
    ),
    ...methods(
      "createPrometheusSource()",
      () =>
        rollout.createPrometheusSource({
          url: "http://alerts",
          fetch: async () => Response.json({ status: "success", data: { alerts: [] } }),
        }),
      { alerts: [() => ["endpoint/late", { signal }]], changes: [() => ["endpoint/late", { signal }], {}, 0] },
    ),
    "openModelServer().label": {
      call: server.label.bind(server),
      args: () => [{ requestId: "r1", value: true, timeMs: 1 }],
      fails: {},
      rounds: 60,
    },
    "openModelServer().outcome": {
      call: server.outcome.bind(server),
      args: () => [{ requestId: "r1", name: "order value", value: 3 }],
      fails: {},
      rounds: 60,
    },
    "openModelServer().setWeights": {
      call: server.setWeights.bind(server),
      args: () => ["split", { a: 0.3, b: 0.7 }, { signal }],
      fails: {
        SERVING_ENDPOINT_UNKNOWN: () => server.setWeights("other", { a: 1 }),
        SERVING_VARIANT_UNKNOWN: () => server.setWeights("split", { c: 1 }),
        "SERVING_DEPLOYMENT_INVALID: one variant": () => server.setWeights("late", { main: 1 }),
      },
      rounds: 40,
    },
  };
}
