import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type Batch, createManualClock } from "@millwright/contracts";
import { featureSourceContract } from "@millwright/contracts/testing";
import { batchOf, column } from "@millwright/data";
import fastify from "fastify";
import { expect, test } from "vitest";
import { openFeastFeatureSource } from "../src/drivers/feast.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { definitionsOfFeastRegistry, feastRoutes } from "../src/feast.ts";
import { defineFeatureService, openFeatureStore } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";
import { clicks, HOUR, profile, service, times } from "./score-service.ts";

const nameOf = (number: number): string => (number < 0 ? "nobody" : `user ${number}`);
const entities = (numbers: readonly number[]): Batch => batchOf({ user: column("utf8", numbers.map(nameOf)) });
const request = (numbers: readonly number[]): Batch =>
  batchOf({ at: times(numbers), amount: column("float64", numbers) });

for (const { name, appliesTo, run } of featureSourceContract) {
  test(`FS-33: feature source over Feast's HTTP API: ${name}`, async ({ skip }) => {
    await using directory = await temporaryDirectory();
    await using online = openMemoryOnlineStore();
    const clock = createManualClock(6 * HOUR);
    await using store = await openFeatureStore({ history: directory.path, services: [service], online, clock });
    const users = column("utf8", [0, 1, 2].map(nameOf));
    const plan = column("utf8", ["free", "paid", "trial"]);
    const credit = column("int64", [1n, 2n, 2n ** 60n + 1n]);
    await store.push(profile, batchOf({ user: users, at: times([1, 2, 3]), seen: times([1, 2, 3]), plan, credit }));
    await store.push(clicks, batchOf({ user: users, at: times([3, 4, 5]), ms: column("float64", [0.5, null, 2]) }));
    const app = fastify();
    await app.register(feastRoutes(store, { services: [service], clock }));
    const url = await app.listen({ port: 0 });
    try {
      const source = openFeastFeatureSource({ url, services: [service], clock });
      const fixture = { source, service: "score", entities, request };
      if (appliesTo?.(fixture) === false) skip("the source has not what the case is about");
      await run(fixture);
    } finally {
      await app.close();
    }
  });
}

const read = async (name: string): Promise<string> =>
  await readFile(new URL(`fixtures/feast/${name}.json`, import.meta.url), "utf8");
const { views } = definitionsOfFeastRegistry(JSON.parse(await read("registry")));
const stats = views.find(({ name }) => name === "stats")!;
const drivers = defineFeatureService({ name: "drivers", views: [stats] });
const answering = (status: number, body: string, seen: string[] = []): typeof globalThis.fetch =>
  (async (_url, init) => {
    seen.push(init?.body as string);
    return new Response(body, { status });
  }) as typeof globalThis.fetch;
const now = Date.UTC(2026, 10, 25, 12);

test("an answer that Feast's own server gave is read by names, with its statuses, ages and types", async () => {
  const seen: string[] = [];
  const fetch = answering(200, await read("online-features"), seen);
  const clock = createManualClock(now);
  const source = openFeastFeatureSource({ url: "http://feast", services: [drivers], fetch, clock });
  const keys = batchOf({ driver_id: column("int64", [1n, null, 2n, 3n, 4n, 99n]) });
  const { features, views: statuses } = await source.read("drivers", { entities: keys });
  expect(columnsOf(features)).toEqual({
    stats__rating: [0.5, null, 4.25, null, 3, null],
    stats__share: [0.2, null, 0.3, 0.4, 0.5, null].map((value) => (value === null ? null : Math.fround(value))),
    stats__trips: [2n ** 60n, null, 3n, null, 5n, null],
    stats__rank: [2, null, 3, 4, 5, null],
    stats__car: ["ü", null, "c", null, "e", null],
    stats__active: [false, null, true, true, false, null],
    stats__joined: [
      1_795_514_400_000_000n,
      null,
      1_795_428_000_000_000n,
      1_795_600_800_000_000n,
      1_795_600_800_000_000n,
      null,
    ],
  });
  expect(statuses["stats"]).toEqual({
    status: ["present", "missing", "present", "present", "present", "missing"],
    ageMs: Float64Array.of(4 * HOUR, Number.NaN, 3 * HOUR, 2 * HOUR, 2 * HOUR, Number.NaN),
  });
  // Rows without their key are not sent: Feast's server fails over them.
  expect(JSON.parse(seen[0]!)).toEqual({
    features: ["rating", "share", "trips", "rank", "car", "active", "joined"].map((name) => `stats:${name}`),
    full_feature_names: true,
    entities: { driver_id: [1, 2, 3, 4, 99] },
  });
});

test("rows past their time to live are expired, though Feast's server gives them; keys keep every digit", async () => {
  const seen: string[] = [];
  const clock = createManualClock(now);
  const short = defineFeatureService({ name: "short", views: [{ ...stats, ttlMs: 3 * HOUR }] });
  const fetch = answering(200, await read("online-features"), seen);
  const source = openFeastFeatureSource({ url: "http://feast/", services: [short], fetch, clock });
  const keys = batchOf({ driver_id: column("int64", [2n ** 60n + 1n, 2n, 3n, 4n, 99n]) });
  const { features, views: statuses } = await source.read("short", { entities: keys });
  expect(statuses["stats"]!.status).toEqual(["expired", "expired", "present", "present", "missing"]);
  expect(columnsOf(features)["stats__rank"]).toEqual([null, null, 4, 5, null]);
  expect(seen[0]).toContain('"entities":{"driver_id":[1152921504606846977,2,3,4,99]}');
});

test("a server that is not there, is slow, refuses, or says something else is told apart by its code", async () => {
  const keys = batchOf({ driver_id: column("int64", [1n]) });
  const ask = async (fetch: typeof globalThis.fetch, more: object = {}): Promise<unknown> =>
    await openFeastFeatureSource({ url: "http://feast", services: [drivers], fetch, ...more })
      .read("drivers", { entities: keys })
      .then(
        () => "answered",
        (error: unknown) => error,
      );
  const refusal = String.raw`"{\"module\": \"feast.errors\", \"class\": \"X\", \"message\": \"Feature view none does not exist\"}"`;
  expect(await ask(answering(404, refusal))).toMatchObject({
    code: "FEATURE_STORE_FEAST_REFUSED",
    retryable: false,
    message: expect.stringContaining("answered 404: Feature view none does not exist.") as string,
  });
  expect(await ask(answering(503, "busy"))).toMatchObject({ code: "FEATURE_STORE_FEAST_REFUSED", retryable: true });
  const wrong = [
    "<html>",
    "[]",
    "{}",
    '{"results":[],"metadata":{"feature_names":[]}}',
    '{"results":[{}],"metadata":{"feature_names":["stats__rating"]}}',
    (await read("online-features")).replaceAll(",99]", "]"),
  ];
  for (const body of wrong)
    expect(await ask(answering(200, body))).toMatchObject({ code: "FEATURE_STORE_FEAST_ANSWER_INVALID" });
  const unreachable = { code: "FEATURE_STORE_FEAST_UNREACHABLE", retryable: true };
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const url = `http://127.0.0.1:${port}`;
  expect(await ask(globalThis.fetch, { url, timeoutMs: 50 })).toMatchObject({
    ...unreachable,
    message: expect.stringContaining("it took more than 50 ms") as string,
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await ask(globalThis.fetch, { url })).toMatchObject({
    ...unreachable,
    message: expect.stringContaining("ECONNREFUSED") as string,
  });
});

test("entities are checked before they are sent", async () => {
  const fetch = answering(500, "not reached");
  const source = openFeastFeatureSource({ url: "http://feast", services: [drivers], fetch });
  await expect(source.read("drivers", { entities: batchOf({ user: ["a"] }) })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
  });
  await expect(source.read("drivers", { entities: batchOf({ driver_id: ["a"] }) })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_TYPE",
  });
});
