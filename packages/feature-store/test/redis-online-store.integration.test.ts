import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { createClient, createCluster } from "@redis/client";
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, expect, expectTypeOf, test, type TestContext } from "vitest";
import { openRedisOnlineStore, type RedisClient } from "../src/drivers/redis.ts";
import type { KeyedOnlineStore } from "../src/index.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  mean,
  openFeatureStore,
} from "../src/index.ts";
import { keyedOnlineStoreContract } from "../src/testing/index.ts";
import { batches, columnsOf, temporaryDirectory } from "./rows.ts";
import { hasRedisServer, redisMissing, type RedisServer, startRedisServer } from "./redis-server.ts";

const isThere = hasRedisServer();
if (!isThere && process.env["CI"] === "true") throw new Error(redisMissing);

const redisTest = (title: string, run: (context: TestContext) => Promise<void>): void =>
  test(title, async (context) => {
    context.skip(!isThere, redisMissing);
    await run(context);
  });

let single: RedisServer;
let cluster: RedisServer;
const connections: Record<string, { readonly client: RedisClient; close(): Promise<unknown> }> = {};

beforeAll(async () => {
  if (!isThere) return;
  single = await startRedisServer("--appendonly", "yes", "--appendfsync", "always");
  cluster = await startRedisServer("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1");
  const first = new Redis(cluster.port);
  await first.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  while (!String(await first.call("CLUSTER", "INFO")).includes("cluster_state:ok")) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await first.quit();
  const ioredis = new Redis(single.port);
  connections["ioredis"] = { client: ioredis, close: () => ioredis.quit() };
  const redis = createClient({ url: `redis://127.0.0.1:${single.port}` });
  // A crashed server is one of the tests: the clients then connect again.
  for (const client of [ioredis, redis]) client.on("error", () => {});
  await redis.connect();
  connections["redis"] = { client: redis, close: () => redis.close() };
  const ioredisCluster = new Cluster([{ host: "127.0.0.1", port: cluster.port }]);
  connections["ioredis, cluster"] = { client: ioredisCluster, close: () => ioredisCluster.quit() };
  const redisCluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${cluster.port}` }] });
  await redisCluster.connect();
  connections["redis, cluster"] = { client: redisCluster, close: () => redisCluster.close() };
});

afterAll(async () => {
  for (const { close } of Object.values(connections)) await close();
  await single?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

let tests = 0;
/** A store that begins empty. */
const openEmpty = (kind: string, buckets?: number): Promise<KeyedOnlineStore> =>
  openRedisOnlineStore(connections[kind]!.client, { prefix: `test ${tests++} `, buckets });

for (const [kind, buckets] of [
  ["ioredis", 1],
  ["redis", 1],
  ["redis", 7],
  ["ioredis, cluster", 16],
  ["redis, cluster", 16],
] as const) {
  for (const { name, appliesTo, run } of keyedOnlineStoreContract) {
    redisTest(`${kind}, ${buckets} buckets: ${name}`, async ({ skip }) => {
      await using store = await openEmpty(kind, buckets);
      if (appliesTo?.(store) === false) skip("the store has not what the case is about");
      await run(store);
    });
  }
}

test("the clients of ioredis and redis have what the driver declares of them", () => {
  expectTypeOf<Redis>().toExtend<RedisClient>();
  expectTypeOf<Cluster>().toExtend<RedisClient>();
  expectTypeOf<ReturnType<typeof createClient>>().toExtend<RedisClient>();
  expectTypeOf<ReturnType<typeof createCluster>>().toExtend<RedisClient>();
});

redisTest("writers on different connections lose nothing", async () => {
  const prefix = `shared ${tests++} `;
  const stores = await Promise.all(
    ["ioredis", "redis"].map((kind) => openRedisOnlineStore(connections[kind]!.client, { prefix })),
  );
  const addOne = (_: number, current?: Uint8Array): Uint8Array =>
    Buffer.from(String(Number(Buffer.from(current ?? []).toString()) + 1));
  await Promise.all(Array.from({ length: 200 }, (_, index) => stores[index % 2]!.update("a", ["x", "y", "x"], addOne)));
  const found = await stores[0]!.read("a", ["x", "y"]);
  expect(found.map((bytes) => Buffer.from(bytes!).toString())).toEqual(["400", "200"]);
});

redisTest("the store is durable where the server says that it is, and then a crash loses nothing", async () => {
  await using kept = await openEmpty("ioredis");
  await using lost = await openEmpty("redis, cluster");
  expect([kept.capabilities.durable, lost.capabilities.durable]).toEqual([true, false]);
  await kept.update("a", ["x"], () => Buffer.from("kept"));
  await single.crash();
  const [found] = await kept.read("a", ["x"]);
  expect(Buffer.from(found!).toString()).toBe("kept");
});

redisTest("a server out of memory says so, and keeps what it has", async () => {
  await using store = await openEmpty("ioredis");
  await store.update("a", ["x"], () => Buffer.from("kept"));
  const client = connections["ioredis"]!.client as Redis;
  await client.config("SET", "maxmemory", "1");
  await expect(store.update("a", ["x"], () => Buffer.alloc(1000))).rejects.toMatchObject({
    code: "FEATURE_STORE_WRITE_FAILED",
    category: "capacity",
  });
  await client.config("SET", "maxmemory", "0");
  const [found] = await store.read("a", ["x"]);
  expect(Buffer.from(found!).toString()).toBe("kept");
});

test("an object that is no client, and impossible options, are refused", async () => {
  await expect(openRedisOnlineStore({} as RedisClient)).rejects.toThrow("neither one of ioredis nor one of redis");
  await expect(openRedisOnlineStore({} as RedisClient, { buckets: 0 })).rejects.toThrow("buckets is 0");
});

redisTest("features in Redis are those of a resident store, pushed, put, deleted and materialized", async () => {
  const user = defineEntity({ name: "user", keys: { user: "utf8" } });
  const plans = defineFeatureView({ name: "plans", entity: user, eventTime: "at", features: { plan: "utf8" } });
  const clicks = defineFeatureView({
    name: "clicks",
    entity: user,
    eventTime: "at",
    inputs: { ms: "float64" },
    aggregates: { clicks_1h: count(hours(1)), ms_1h: mean("ms", hours(1)) },
  });
  const services = [defineFeatureService({ name: "all", views: [plans, clicks] })];
  const entities = batchOf({ user: ["ann", "bob", "eve", "dan"] });
  const at = (minute: number): Date => new Date(minute * 60_000);
  const results: unknown[] = [];
  await using keyed = await openEmpty("redis", 3);
  for (const online of [openMemoryOnlineStore(), keyed]) {
    await using directory = await temporaryDirectory();
    const clock = createManualClock(at(100).getTime());
    await using store = await openFeatureStore({ history: directory.path, services, online, clock });
    await store.put(plans, [
      { user: "ann", at: at(1), plan: "free" },
      { user: "bob", at: at(2), plan: "paid" },
      { user: "dan", at: at(3), plan: "gone" },
    ]);
    await store.ingest(
      clicks,
      batches(
        batchOf({
          user: ["ann", "ann", "eve"],
          at: column("timestamp", [at(50), at(10), at(55)]),
          ms: [0.1, 5, 0.7],
        }),
      ),
    );
    await store.push(clicks, [{ user: "eve", at: at(70), ms: 0.2 }]);
    await store.materialize(clicks, { upToMs: at(60).getTime() });
    await store.update(plans, { user: "bob" }, { plan: "team" }, { eventTimeMs: at(4).getTime() });
    await store.delete(plans, { user: "dan" }, { eventTimeMs: at(5).getTime() });
    const { features, views } = await store.read("all", { entities });
    results.push([columnsOf(features), views]);
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[0]).toMatchObject([
    { plans__plan: ["free", "team", null, null], clicks__clicks_1h: [1, null, 2, null] },
    {},
  ]);
});
