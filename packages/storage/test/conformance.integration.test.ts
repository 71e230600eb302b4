import { createClient } from "@redis/client";
import { Redis } from "ioredis";
import { runConformance, type StorageAdapter } from "@millwright/contracts/testing";
import {
  type IoRedisClient,
  type NodeRedisClient,
  openDirectoryArtifactStore,
  openDirectoryRecordStore,
  openMemoryArtifactStore,
  openMemoryRecordStore,
  openRecordStore,
  openRedisRecordStore,
  openS3ArtifactStore,
  openS3RecordStore,
  openSqlite,
} from "@millwright/storage";
import { afterAll, beforeAll, expect, expectTypeOf, test, type TestContext, vi } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { hasRedisServer, redisMissing, type RedisServer, startRedisServer } from "./redis-server.ts";
import { hasS3Server, s3Missing, type S3Server, startS3Server } from "./s3-server.ts";

const hasS3 = hasS3Server();
const hasRedis = hasRedisServer();
if (process.env["CI"] === "true" && !hasS3) throw new Error(s3Missing);
if (process.env["CI"] === "true" && !hasRedis) throw new Error(redisMissing);

vi.setConfig({ testTimeout: 600_000 });

let s3: S3Server;
let redis: RedisServer;
let ioRedis: Redis;

beforeAll(async () => {
  if (hasS3) s3 = await startS3Server();
  if (!hasRedis) return;
  redis = await startRedisServer();
  ioRedis = new Redis(redis.port, "127.0.0.1");
}, 300_000);

afterAll(async () => {
  if (hasS3) await s3[Symbol.asyncDispose]();
  if (!hasRedis) return;
  ioRedis.disconnect();
  await redis[Symbol.asyncDispose]();
});

const recordCases = 16;
const artifactCases = 16;

async function conforms(adapter: StorageAdapter, cases: number): Promise<void> {
  const { passed, failed } = await runConformance(adapter);
  expect(failed).toEqual([]);
  expect(passed.length).toBe(cases);
}

test("CT-6: what is kept in memory conforms to the storage ports", async () => {
  const open = () => ({ records: openMemoryRecordStore(), artifacts: openMemoryArtifactStore() });
  await conforms({ open }, recordCases + artifactCases);
});

test("CT-6: directories on a local disk conform to the storage ports", async () => {
  const open = async () => {
    const folder = await temporaryFolder();
    return {
      records: await openDirectoryRecordStore(folder.file("records")),
      artifacts: await openDirectoryArtifactStore(folder.file("artifacts")),
      close: async () => await folder[Symbol.asyncDispose](),
    };
  };
  await conforms({ open }, recordCases + artifactCases);
});

test("CT-6: a SQL database conforms to the port of records", async () => {
  const open = async () => {
    const folder = await temporaryFolder();
    const database = await openSqlite(folder.file("a.db"), { durability: "normal" });
    return {
      records: openRecordStore(database),
      close: async () => {
        await database[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  };
  await conforms({ open }, recordCases);
});

test("CT-6: a bucket of a server that speaks S3 conforms to the storage ports", async (context: TestContext) => {
  context.skip(!hasS3, s3Missing);
  const open = async () => {
    const bucket = await s3.bucket();
    const { client } = s3;
    return { records: openS3RecordStore({ client, bucket }), artifacts: openS3ArtifactStore({ client, bucket }) };
  };
  await conforms({ open }, recordCases + artifactCases);
});

test("CT-6: Redis conforms to the port of records, with either client", async (context: TestContext) => {
  context.skip(!hasRedis, redisMissing);
  let spaces = 0;
  const nodeRedis = createClient({ socket: { port: redis.port, host: "127.0.0.1" } });
  await nodeRedis.connect();
  for (const client of [ioRedis, nodeRedis]) {
    const open = () => ({ records: openRedisRecordStore({ client, namespace: `space ${(spaces += 1)}` }) });
    await conforms({ open }, recordCases);
  }
  nodeRedis.destroy();
});

test("the clients of Redis have what the driver declares of them", () => {
  expectTypeOf<Redis>().toExtend<IoRedisClient>();
  expectTypeOf<ReturnType<typeof createClient>>().toExtend<NodeRedisClient>();
});

async function increments(kind: string, place: string, times: number): Promise<void> {
  const children = [0, 1].map(() => startChild("record-incrementer.mjs", [kind, place, String(times)]));
  for (const child of children) expect(await child.ended).toMatchObject({ code: 0, signal: null });
}

test("CT-6: two processes increment one key of a directory 1,000 times each, and the total is 2,000", async () => {
  await using folder = await temporaryFolder();
  await increments("directory", folder.path, 1000);
  const total = await (await openDirectoryRecordStore(folder.path)).read("total");
  expect(total).toEqual({ key: "total", value: 2000, version: 2000 });
});

test("CT-6: two processes increment one key of Redis 1,000 times each, and the total is 2,000", async (context: TestContext) => {
  context.skip(!hasRedis, redisMissing);
  await increments("redis", String(redis.port), 1000);
  const total = await openRedisRecordStore({ client: ioRedis }).read("total");
  expect(total).toEqual({ key: "total", value: 2000, version: 2000 });
});

test("two processes that increment one key of a bucket at the same time lose none", async (context: TestContext) => {
  context.skip(!hasS3, s3Missing);
  const bucket = await s3.bucket();
  await increments("s3", `${s3.endpoint} ${bucket}`, 60);
  const total = await openS3RecordStore({ client: s3.client, bucket }).read("total");
  expect(total).toEqual({ key: "total", value: 120, version: 120 });
});
