import { deflateSync, gzipSync } from "node:zlib";
import { request as httpRequest } from "node:http";
import type { Authorizer } from "@millwright/contracts";
import { batchOf, column, fromIpc, toArray, toIpc } from "@millwright/data";
import fastify from "fastify";
import { expect, test } from "vitest";
import { featureStoreRoutes } from "../src/fastify.ts";
import { arrow, openFace } from "./face-app.ts";
import { NOON, openFaceStore, row, services } from "./face-store.ts";
import { columnsOf } from "./rows.ts";

const asked = {
  entities: { driver_id: [1, "2", 3, 4, 99], city: ["Bern", "Bern", "Oslo", null, "Oslo"] },
  request: {
    at: ["2026-11-25T11:00:00Z", null, null, null, null],
    amount: [11, null, 1, "NaN", 1e300],
  },
};

test("reads answer with columns: 64-bit integers, NaN and −0 as text, times as UTC text, nulls and statuses in their places", async () => {
  await using face = await openFace();
  const answer = await face.post("/features/services/ride/read", asked);
  expect(answer.statusCode).toBe(200);
  const { features, views, ...rest } = answer.json() as Record<string, Record<string, unknown>>;
  expect(rest).toEqual({ service: "ride", digest: services[0]!.digest, timeMs: NOON, length: 5 });
  expect(features).toEqual({
    stats__rating: [4.5, "NaN", null, null, null],
    stats__share: [Math.fround(0.1), "-0", null, null, null],
    stats__trips: ["1152921504606846977", null, null, null, null],
    stats__huge: ["18446744073709551615", "0", null, null, null],
    stats__rank: [-128, 127, null, null, null],
    stats__car: ['ü"€😀', null, null, null, null],
    stats__active: [true, null, null, null, null],
    stats__joined: ["2023-11-14T22:13:20.123456Z", null, null, null, null],
    stats__born: ["2022-01-08", null, null, null, null],
    weather__rain: [0, 0, null, null, null],
    weather__rating: [1.5, 1.5, null, null, null],
    hour: [11, null, null, null, null],
    sine: [Math.sin(Date.UTC(2026, 10, 25, 11) / 1e7), null, null, null, null],
    big: [true, null, false, false, true],
  });
  expect(views).toEqual({
    stats: {
      status: ["present", "present", "deleted", "expired", "missing"],
      ageMs: [3_600_000, 7_200_000, 10_800_000, 108_000_000, null],
    },
    weather: {
      status: ["present", "present", "missing", "missing", "missing"],
      ageMs: [3_600_000, 3_600_000, null, null, null],
    },
  });
});

test("rows are taken as columns, and a time may be asked for", async () => {
  await using face = await openFace();
  const body = { entities: [{ city: "Bern" }, { city: "Oslo" }], timeMs: NOON - 1_800_000 };
  const answer = await face.post("/features/services/skies/read", body);
  expect(answer.json()).toMatchObject({
    timeMs: NOON - 1_800_000,
    features: { weather__rain: [0, null] },
    views: { weather: { status: ["present", "missing"], ageMs: [1_800_000, null] } },
  });
});

test("Arrow streams are read and answered, with the status of each view beside its features", async () => {
  await using face = await openFace();
  const body = toIpc(
    batchOf({
      driver_id: column("int64", [1n, 99n]),
      city: column("dictionary", ["Bern", "Bern"]),
      at: column("timestamp", [0n, null]),
      amount: column("float64", [1, 2]),
    }),
  );
  const headers = { ...arrow, accept: "application/vnd.apache.arrow.stream;q=1, application/json;q=0.1" };
  const answer = await face.post("/features/services/ride/read", body, headers);
  expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "application/vnd.apache.arrow.stream"]);
  const [batch] = fromIpc(answer.rawPayload);
  expect(columnsOf(batch!)).toMatchObject({
    stats__trips: [2n ** 60n + 1n, null],
    stats__joined: [1_700_000_000_123_456n, null],
    weather__rain: [0, 0],
    "stats.status": ["present", "missing"],
    "stats.ageMs": [3_600_000, null],
    "weather.status": ["present", "present"],
  });
  const asJson = await face.post("/features/services/ride/read", body, { ...arrow, accept: "application/json, */*" });
  expect(asJson.json()).toMatchObject({ features: { stats__trips: ["1152921504606846977", null] } });
});

const columnsOfRow = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value]]));

for (const [kind, body] of [
  ["rows", { rows: [row] }],
  ["columns", { columns: columnsOfRow }],
] as const) {
  test(`what is pushed as ${kind} is read to the bit`, async () => {
    await using face = await openFace();
    const pushed = await face.post("/features/views/stats/push", body);
    expect([pushed.statusCode, pushed.json()]).toMatchObject([200, { rows: 1, skippedRows: 0, lateRows: 0 }]);
    const entities = batchOf({ driver_id: column("int64", [9_007_199_254_740_993n]), city: ["Bern"] });
    const request = batchOf({ at: column("timestamp", [null]), amount: column("float64", [null]) });
    const { features } = await face.face.store.read("ride", { entities, request });
    expect(columnsOf(features)).toMatchObject({
      stats__rating: [Number.NaN],
      stats__trips: [-1n],
      stats__huge: [2n ** 64n - 1n],
      stats__active: [null],
      stats__joined: [-62_135_596_800_000_000n],
      stats__born: [-1],
    });
  });
}

test("what is pushed as Arrow is read again, packed or not", async () => {
  await using face = await openFace();
  const rows = (rain: number): Uint8Array =>
    toIpc(
      batchOf({
        city: ["Rome"],
        event_timestamp: column("timestamp", [new Date(NOON - 1000 + rain)]),
        rain: column("float64", [rain]),
        rating: column("float32", [rain]),
      }),
    );
  const read = async (): Promise<unknown> => {
    const { features } = await face.face.store.read("skies", { entities: batchOf({ city: ["Rome"] }) });
    return toArray(features.columns["weather__rain"]!);
  };
  const packings = { identity: rows(1), gzip: gzipSync(rows(2)), deflate: deflateSync(rows(3)) };
  let expected = 1;
  for (const [encoding, body] of Object.entries(packings)) {
    const headers = { ...arrow, "content-encoding": encoding };
    const pushed = await face.post("/features/views/weather/push", new Uint8Array(body), headers);
    expect([pushed.statusCode, pushed.json()], encoding).toMatchObject([200, { rows: 1, skippedRows: 0, lateRows: 0 }]);
    expect(await read()).toEqual([expected]);
    expected += 1;
  }
});

test("materialize loads the history up to the present, or to a time of the past", async () => {
  await using face = await openFace();
  const rows = batchOf({
    city: ["Rome", "Rome"],
    event_timestamp: column("timestamp", [new Date(NOON - 7_200_000), new Date(NOON - 3_600_000)]),
    rain: column("float64", [1, 2]),
    rating: column("float32", [1, 2]),
  });
  await face.face.store.ingest(
    "weather",
    (async function* () {
      yield rows;
    })(),
  );
  const rain = async (): Promise<unknown> => {
    const answer = await face.post("/features/services/skies/read", { entities: { city: ["Rome"] } });
    return (answer.json() as { features: Record<string, unknown> }).features["weather__rain"];
  };
  const past = await face.post("/features/views/weather/materialize", { upToMs: NOON - 5_000_000 });
  expect([past.statusCode, past.json()]).toMatchObject([200, { rows: 1, keptRows: 1 }]);
  expect(await rain()).toEqual([1]);
  expect((await face.post("/features/views/weather/materialize", "")).statusCode).toBe(200);
  expect(await rain()).toEqual([2]);
  const future = await face.post("/features/views/weather/materialize", { upToMs: NOON + 1 });
  expect([future.statusCode, (future.json() as { code: string }).code]).toEqual([400, "FEATURE_STORE_BODY_INVALID"]);
});

test("services and views are listed and described", async () => {
  await using face = await openFace();
  const get = async (url: string): Promise<unknown> => (await face.app.inject(`/features${url}`)).json();
  expect(await get("/health")).toEqual({ status: "ok" });
  const description = await face.face.store.describe("skies");
  expect(await get("/services/skies")).toEqual(description);
  expect(await get("/services")).toEqual({ services: [await face.face.store.describe("ride"), description] });
  const views = (await get("/views")) as { views: { name: string; columns: { name: string; type: string }[] }[] };
  expect(views.views.map(({ name }) => name)).toEqual(["stats", "weather"]);
  expect(views.views[1]).toMatchObject({ entity: "city", eventTime: "event_timestamp" });
  expect(views.views[1]!.columns).toContainEqual({ name: "rain", type: "float64" });
  expect((await face.app.inject("/features/services/none")).statusCode).toBe(404);
});

test("every request is put before the authorizer, with who asks and for what", async () => {
  const decided: string[] = [];
  const authorizer: Authorizer = {
    decide: async ({ principal, action, resource }) => {
      decided.push(`${principal}: ${action} ${resource}`);
      return principal === "ada" ? { allowed: true } : { allowed: false, reason: "nobody knows you" };
    },
  };
  await using face = await openFace({ authorizer, principal: (headers) => headers["x-user"] });
  const body = { entities: { city: ["Bern"] } };
  const denied = await face.post("/features/services/skies/read", body);
  expect([denied.statusCode, (denied.json() as { code: string }).code]).toEqual([403, "FEATURE_STORE_ACCESS_DENIED"]);
  const ada = { "x-user": "ada" };
  expect((await face.post("/features/services/skies/read", body, ada)).statusCode).toBe(200);
  expect((await face.post("/features/views/weather/push", { rows: [] })).statusCode).toBe(403);
  expect((await face.post("/features/views/weather/materialize", {})).statusCode).toBe(403);
  for (const url of ["/services", "/views", "/services/skies"]) {
    expect((await face.app.inject(`/features${url}`)).statusCode, url).toBe(403);
  }
  expect(decided).toEqual([
    "undefined: features:read feature-service/skies",
    "ada: features:read feature-service/skies",
    "undefined: features:push feature-view/weather",
    "undefined: features:materialize feature-view/weather",
    "undefined: features:describe feature-service/*",
    "undefined: features:describe feature-view/*",
    "undefined: features:describe feature-service/skies",
  ]);
});

test("answers are as the schemas of their routes say, and so are the bodies that are taken", async () => {
  await using face = await openFace();
  const schemaOf = (url: string): { body?: object; response: Record<string, object> } => {
    const route = face.routes.find((each) => each.url === `/features${url}`);
    return route?.schema as { body?: object; response: Record<string, object> };
  };
  const checker = fastify();
  let fits: (schema: object, value: unknown) => boolean = () => false;
  checker.get("/", async (request) => {
    fits = (schema, value) => request.compileValidationSchema(schema as Record<string, unknown>)(value as object);
    return "";
  });
  await checker.inject("/");
  const read = schemaOf("/services/ride/read");
  const answer = (await face.post("/features/services/ride/read", asked)).json() as { features: object };
  expect(fits(read.body!, structuredClone(asked))).toBe(true);
  expect(fits(read.body!, {})).toBe(false);
  expect(fits(read.response["200"]!, answer)).toBe(true);
  expect(fits(read.response["200"]!, { ...answer, features: {} })).toBe(false);
  const push = schemaOf("/views/stats/push");
  expect(fits(push.body!, { rows: [row], columns: columnsOfRow })).toBe(true);
  for (const url of ["/health", "/services", "/views", "/services/skies"]) {
    expect(fits(schemaOf(url).response["200"]!, (await face.app.inject(`/features${url}`)).json()), url).toBe(true);
  }
  const denied = (await face.post("/features/services/none/read", {})).json() as object;
  expect(fits(read.response["4xx"]!, denied)).toBe(true);
  await checker.close();
});

function signalled(): { readonly told: Promise<void>; tell(): void } {
  let tell = (): void => {};
  const told = new Promise<void>((resolve) => (tell = resolve));
  return { told, tell: () => tell() };
}

test("a caller who goes away aborts the read", async () => {
  await using face = await openFaceStore();
  const started = signalled();
  const aborted = signalled();
  const app = fastify();
  const waiting: typeof face.store.read = async (_service, { signal }) => {
    started.tell();
    await new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(signal!.reason as Error)));
    throw new Error("not reached");
  };
  const store = {
    push: face.store.push.bind(face.store),
    materialize: face.store.materialize.bind(face.store),
    read: (async (...given) => await waiting(...given).finally(() => aborted.tell())) as typeof waiting,
  };
  await app.register(featureStoreRoutes(store, { services }));
  const address = await app.listen({ port: 0 });
  const call = httpRequest(`${address}/services/skies/read`, { method: "POST" });
  call.on("error", () => {});
  call.end(JSON.stringify({ entities: { city: ["Bern"] } }));
  await started.told;
  call.destroy();
  await aborted.told;
  await app.close();
});

test("what breaks in the store is answered without its words, and a store that is closed says so", async () => {
  await using face = await openFace();
  await face.face.store[Symbol.asyncDispose]();
  const answer = await face.post("/features/services/skies/read", { entities: { city: ["Bern"] } });
  expect([answer.statusCode, (answer.json() as { code: string }).code]).toEqual([503, "PORT_CLOSED"]);
  const app = fastify();
  const broken = {
    read: () => Promise.reject(new Error("the password is 1234")),
    push: face.face.store.push.bind(face.face.store),
    materialize: face.face.store.materialize.bind(face.face.store),
  };
  await app.register(featureStoreRoutes(broken, { services }));
  const body = { entities: { city: ["Bern"] } };
  const failed = await app.inject({ method: "POST", url: "/services/skies/read", payload: body });
  expect([failed.statusCode, failed.json()]).toEqual([500, { error: "The feature store failed to answer." }]);
  await app.close();
});

test("limits are checked at the door", async () => {
  await using face = await openFaceStore();
  expect(() => featureStoreRoutes(face.store, { services, maxBodyRows: 0 })).toThrow("maxBodyRows is 0");
  expect(() => featureStoreRoutes(face.store, { services, maxFutureMs: -1 })).toThrow("maxFutureMs is -1");
});
