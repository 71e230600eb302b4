import { SageMakerFeatureStoreRuntime } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import { createManualClock } from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { afterAll, beforeAll, expect, expectTypeOf, test, type TestContext } from "vitest";
import {
  openSageMakerFeatureStore,
  type SageMakerClient,
  type SageMakerFeatureStore,
} from "../src/drivers/sagemaker.ts";
import { defineEntity, defineFeatureService, defineFeatureView } from "../src/index.ts";
import { awsModelsMissing, hasAwsModels, type SageMakerServer, startSageMaker } from "./sagemaker-server.ts";

if (!hasAwsModels && process.env["CI"] === "true") throw new Error(awsModelsMissing);

const NOW = Date.UTC(2026, 10, 25, 12);
const at = (minutesAgo: number): Date => new Date(NOW - minutesAgo * 60_000);
const users = defineFeatureView({
  name: "users",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "seen",
  features: { plan: "utf8", credit: "int64", active: "bool" },
  defaults: { plan: "free" },
});
const service = defineFeatureService({ name: "users", views: [users] });
const clock = createManualClock(NOW);
let server: SageMakerServer;
let client: SageMakerFeatureStoreRuntime;
let store: SageMakerFeatureStore;

const sageMakerTest = (title: string, run: (context: TestContext) => Promise<void>): void =>
  test(title, async (context) => {
    context.skip(!hasAwsModels, awsModelsMissing);
    await run(context);
    expect(server.problems).toEqual([]);
  });

beforeAll(async () => {
  if (!hasAwsModels) return;
  server = await startSageMaker({ "users-prod": { identifier: "user", eventTime: "seen" } }, clock);
  const credentials = { accessKeyId: "none", secretAccessKey: "none" };
  client = new SageMakerFeatureStoreRuntime({
    endpoint: server.url,
    region: "eu-central-1",
    credentials,
    maxAttempts: 1,
  });
  store = openSageMakerFeatureStore({ client, services: [service], groups: { users: { name: "users-prod" } }, clock });
}, 300_000);

afterAll(async () => {
  client?.destroy();
  await server?.[Symbol.asyncDispose]();
});

const read = async (names: readonly (string | null)[], timeMs = NOW): Promise<unknown> => {
  const { features, views } = await store.read("users", { entities: batchOf({ user: column("utf8", names) }), timeMs });
  return [views["users"]!.status, toArray(features.columns["users__plan"]!)];
};

test("the client of AWS has what the driver declares of it", () => {
  expectTypeOf<SageMakerFeatureStoreRuntime>().toExtend<SageMakerClient>();
});

sageMakerTest("FS-33: records go to SageMaker as its model has them, values as texts, null ones left out", async () => {
  const done = await store.put(
    "users",
    [
      { user: "ann", seen: at(5), plan: "paid", credit: 2n ** 60n, active: true },
      { user: null, seen: at(5), plan: "lost", credit: 1n, active: false },
      { user: "bob", seen: at(4), plan: null, credit: -1n, active: false },
    ],
    { ttlMs: 90_500, to: "both" },
  );
  expect(done).toEqual({ rows: 2, skippedRows: 1 });
  expect(server.calls.map(({ operation }) => operation)).toEqual(["PutRecord", "PutRecord"]);
  expect(server.calls.map(({ input }) => input)).toContainEqual({
    FeatureGroupName: "users-prod",
    Record: [
      { FeatureName: "user", ValueAsString: "ann" },
      { FeatureName: "seen", ValueAsString: "2026-11-25T11:55:00.000Z" },
      { FeatureName: "plan", ValueAsString: "paid" },
      { FeatureName: "credit", ValueAsString: "1152921504606846976" },
      { FeatureName: "active", ValueAsString: "1" },
    ],
    TargetStores: ["OnlineStore", "OfflineStore"],
    TtlDuration: { Unit: "Seconds", Value: 91 },
  });
});

sageMakerTest(
  "FS-33: a record with a time to live of its own is expired when it ends, and defaults stand in",
  async () => {
    await store.put("users", [{ user: "brief", seen: at(1), plan: "paid", credit: 1n, active: true }], {
      ttlMs: 120_000,
    });
    expect(await read(["brief", null, "nobody"])).toEqual([
      ["present", "defaulted", "defaulted"],
      ["paid", "free", "free"],
    ]);
    expect(await read(["brief"], NOW + 60_000)).toEqual([["defaulted"], ["free"]]);
  },
);

sageMakerTest("FS-33: deletes are soft or hard, and count where they are later", async () => {
  await store.put("users", [{ user: "eve", seen: at(3), plan: "paid", credit: 1n, active: true }]);
  await store.delete("users", { user: "eve" }, { eventTimeMs: at(9).getTime() });
  expect(await read(["eve"])).toEqual([["present"], ["paid"]]);
  await store.delete("users", { user: "eve" }, { eventTimeMs: at(2).getTime(), hard: true });
  expect(await read(["eve"])).toEqual([["defaulted"], ["free"]]);
  expect(server.calls.filter(({ operation }) => operation === "DeleteRecord").map(({ input }) => input)).toEqual(
    [
      ["2026-11-25T11:51:00.000Z", "SoftDelete"],
      ["2026-11-25T11:58:00.000Z", "HardDelete"],
    ].map(([EventTime, DeletionMode]) => ({
      FeatureGroupName: "users-prod",
      RecordIdentifierValueAsString: "eve",
      EventTime,
      DeletionMode,
    })),
  );
});

sageMakerTest("FS-33: 250 records are asked for by the hundred, and again where some are left over", async () => {
  const names = Array.from({ length: 250 }, (_, index) => `user ${index}`);
  await store.put(
    "users",
    names.map((user) => ({ user, seen: at(1), plan: user, credit: 1n, active: true })),
  );
  const before = server.calls.length;
  expect(await read(names)).toEqual([names.map(() => "present"), names]);
  // Three calls of 100, 100 and 50, of which the server answers 70 records each.
  expect(server.calls.length - before).toBe(5);
});

sageMakerTest(
  "FS-33: a service that fails for a moment is asked again; what it refuses is told with its words",
  async () => {
    server.refuseNext("InternalFailure", "try again");
    server.refuseNext("ServiceUnavailable", "try again");
    expect(await read(["user 1"])).toEqual([["present"], ["user 1"]]);
    server.refuseNext("AccessForbidden", "you may not");
    await expect(read(["user 1"])).rejects.toMatchObject({
      code: "FEATURE_STORE_ONLINE_REFUSED",
      message: expect.stringContaining("you may not") as string,
    });
    const impatient = openSageMakerFeatureStore({
      client,
      services: [service],
      groups: { users: { name: "users-prod" } },
      maxRetryMs: 0,
    });
    server.refuseNext("ServiceUnavailable", "not now");
    const entities = batchOf({ user: ["ann"] });
    await expect(impatient.read("users", { entities })).rejects.toMatchObject({
      code: "FEATURE_STORE_ONLINE_BUSY",
      retryable: true,
    });
  },
);

sageMakerTest("FS-33: a record that is not what the view says is refused, and names the feature", async () => {
  const texts = defineFeatureView({ ...users, features: { plan: "utf8", credit: "utf8" }, defaults: {} } as never);
  const other = defineFeatureService({ name: "other", views: [texts] });
  const groups = { users: { name: "users-prod" } };
  const writer = openSageMakerFeatureStore({ client, services: [other], groups, clock });
  await writer.put("users", [{ user: "odd", seen: at(1), plan: "paid", credit: "much" }]);
  await expect(read(["odd"])).rejects.toMatchObject({
    code: "FEATURE_STORE_RECORD_INVALID",
    message: expect.stringContaining('"much" as "credit"') as string,
  });
});

test("an object that is no client, and impossible options, are refused", () => {
  expect(() => openSageMakerFeatureStore({ client: {} as SageMakerClient, services: [] })).toThrow(
    "no `batchGetRecord`",
  );
  const none = { batchGetRecord: () => undefined } as unknown as SageMakerClient;
  expect(() => openSageMakerFeatureStore({ client: none, services: [], maxRetryMs: -1 })).toThrow("maxRetryMs is -1");
});
