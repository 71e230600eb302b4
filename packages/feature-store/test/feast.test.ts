import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openServer } from "./feast-app.ts";
import { NOON, pushed } from "./face-store.ts";
import { columnsOf } from "./rows.ts";

const epoch = "1970-01-01T00:00:00Z";
const statsOf = (...names: string[]): string[] => names.map((name) => `stats:${name}`);

test("features are answered as Feast's server does, column by column after the join keys, in the order asked", async () => {
  await using server = await openServer();
  const features = ["weather:rain", ...statsOf("trips", "rating", "share", "huge", "car", "active", "joined")];
  // Sent without a content type, with a key as text, and with keys in an order of its own.
  const body = { features, entities: { city: ["Bern", "Oslo", "Bern", "Bern"], driver_id: ["1", 2, 3, 4] } };
  const text = await server.text("/get-online-features", JSON.stringify(body));
  const stats = (values: string): string =>
    `{"values":[${values}],"statuses":["PRESENT","PRESENT","NOT_FOUND","OUTSIDE_MAX_AGE"],"event_timestamps":["2026-11-25T11:00:00Z","2026-11-25T10:00:00Z","${epoch}","2026-11-24T06:00:00Z"]}`;
  const keys = (values: string): string =>
    `{"values":[${values}],"statuses":["PRESENT","PRESENT","PRESENT","PRESENT"],"event_timestamps":["${epoch}","${epoch}","${epoch}","${epoch}"]}`;
  const at = "2026-11-25T11:00:00Z";
  expect(text).toBe(
    `{"results":[${[
      keys('"Bern","Oslo","Bern","Bern"'),
      keys("1,2,3,4"),
      `{"values":[0.0,null,0.0,0.0],"statuses":["PRESENT","NOT_FOUND","PRESENT","PRESENT"],"event_timestamps":["${at}","${epoch}","${at}","${at}"]}`,
      stats("1152921504606846977,null,null,null"),
      stats('4.5,"NaN",null,null'),
      stats("0.10000000149011612,-0.0,null,null"),
      stats("18446744073709551615,0,null,null"),
      stats(String.raw`"ü\"€😀",null,null,null`),
      stats("true,null,null,null"),
      stats("1700000000,null,null,null"),
    ].join(
      ",",
    )}],"metadata":{"feature_names":["city","driver_id","rain","trips","rating","share","huge","car","active","joined"]}}`,
  );
});

interface Answer {
  readonly metadata: { readonly feature_names: readonly string[]; readonly feature_view_metadata?: unknown };
  readonly results: readonly { readonly values: readonly unknown[]; readonly statuses: readonly string[] }[];
}

test("a service gives all its features, under full names where asked, with those computed on demand", async () => {
  await using server = await openServer({ viewVersions: { stats: 2 } });
  const entities = { driver_id: [1], city: ["Bern"], at: ["2026-11-25 12:00:00+01:00"], amount: [11] };
  const [status, said] = await server.post("/get-online-features", {
    feature_service: "ride",
    features: [],
    entities,
    full_feature_names: true,
    include_feature_view_version_metadata: true,
  });
  const { metadata, results } = said as Answer;
  expect(status).toBe(200);
  expect(metadata.feature_names).toEqual([
    "driver_id",
    "city",
    ...["rating", "share", "trips", "huge", "rank", "car", "active", "joined", "born"].map((name) => `stats__${name}`),
    "weather__rain",
    "weather__rating",
    ...["hour", "sine", "big"].map((name) => `calendar__${name}`),
  ]);
  expect(metadata.feature_view_metadata).toEqual([{ name: "stats", version: 2 }, { name: "weather" }]);
  expect(results.slice(-3).map(({ values }) => values[0])).toEqual([
    11,
    Math.sin(Date.UTC(2026, 10, 25, 11) / 1e7),
    true,
  ]);
});

test("a view is read without the keys and inputs that other views of its service need; versions are taken", async () => {
  await using server = await openServer({ viewVersions: { stats: 2 } });
  const read = async (features: readonly string[], entities: object, more: object = {}): Promise<Answer> => {
    const [status, said] = await server.post("/get-online-features", { features, entities, ...more });
    expect(status, JSON.stringify(said)).toBe(200);
    return said as Answer;
  };
  const one = await read(["stats@v2:rank"], { driver_id: [1], unknown: [5] }, { full_feature_names: true });
  expect(one.metadata.feature_names).toEqual(["driver_id", "stats@v2__rank"]);
  expect(one.results.map(({ values }) => values)).toEqual([[1], [-128]]);
  const latest = await read(["stats@latest:rank", "weather@v7:rain"], { driver_id: [1], city: ["Bern"] });
  expect(latest.metadata.feature_names).toEqual(["driver_id", "city", "rank", "rain"]);
  const computed = await read(["calendar:hour"], { at: [NOON / 1000], amount: [1] });
  expect(computed.metadata.feature_names).toEqual(["hour"]);
  expect(computed.results[0]).toMatchObject({ values: [12], statuses: ["PRESENT"] });
  const none = await read(["stats:rank"], { driver_id: [] });
  expect(none.results.map(({ values, statuses }) => [values, statuses])).toEqual([
    [[], []],
    [[], []],
  ]);
});

test("pushed and written rows are read again; Feast's client names the times in its own way", async () => {
  await using server = await openServer({ pushSources: { stream: ["stats"] } });
  const read = async (): Promise<unknown> => {
    const entities = batchOf({ driver_id: column("int64", [7n, 8n]), city: ["a", "a"] });
    const request = batchOf({ at: column("timestamp", [null, null]), amount: column("float64", [null, null]) });
    const { features, views } = await server.face.store.read("ride", { entities, request });
    return { ...columnsOf(features), ageMs: [...views["stats"]!.ageMs] };
  };
  expect(await server.post("/push", { push_source_name: "stream", df: pushed })).toEqual([200, ""]);
  expect(await read()).toMatchObject({
    stats__rating: [1, null],
    stats__share: [0.5, 0.25],
    stats__rank: [1, 2],
    stats__active: [true, false],
    stats__joined: [BigInt(Date.UTC(2026, 10, 25, 11)) * 1000n, 1_700_000_000_500_000n],
    ageMs: [3_600_000, 1_799_876.544],
  });
  // Python writes every digit of an integer, and NaN bare.
  const later = { ...pushed, event_timestamp: ["2026-11-25T12:00:00", "2026-11-25T12:00:00"] };
  const text = JSON.stringify({ feature_view_name: "stats", df: later, allow_registry_cache: false })
    .replace('"trips":[9,', '"trips":[-1152921504606846977,')
    .replace('"rating":[1,', '"rating":[NaN,');
  expect(await server.text("/write-to-online-store", text)).toBe("null");
  expect(await read()).toMatchObject({
    stats__rating: [Number.NaN, null],
    stats__trips: [-1_152_921_504_606_846_977n, -1n],
  });
});

test("rows pushed offline are in the history, and materialized from there; pushed to both they are in both", async () => {
  await using server = await openServer();
  const rain = async (city: string): Promise<unknown> => {
    const [, said] = await server.post("/get-online-features", {
      features: ["weather:rain"],
      entities: { city: [city] },
    });
    return (said as Answer).results[1]?.values[0];
  };
  const df = (city: string, amount: number, hour: string) => ({
    city: [city],
    event_timestamp: [`2026-11-25T${hour}:00`],
    rain: [amount],
    rating: [0],
  });
  const push = { push_source_name: "weather" };
  expect(await server.post("/push", { ...push, to: "offline", df: df("Rome", 1, "10:00") })).toEqual([200, ""]);
  expect(await rain("Rome")).toBe(null);
  expect(await server.post("/push", { ...push, to: "online_and_offline", df: df("Oslo", 2, "10:00") })).toEqual([
    200,
    "",
  ]);
  expect(await rain("Oslo")).toBe(2);
  const whole = { start_ts: "2026-11-25T00:00:00Z", end_ts: "2026-11-25T09:59:59Z", feature_views: ["weather"] };
  expect(await server.post("/materialize", whole)).toEqual([200, null]);
  expect(await rain("Rome")).toBe(null);
  // The end is part of what is materialized.
  expect(await server.post("/materialize-incremental", { end_ts: "2026-11-25T10:00:00", feature_views: null })).toEqual(
    [200, null],
  );
  expect([await rain("Rome"), await rain("Oslo")]).toEqual([1, 2]);
  // A future end loads up to the present, and later ones go on working.
  expect(await server.post("/materialize-incremental", { end_ts: "2099-01-01T00:00:00Z", version: null })).toEqual([
    200,
    null,
  ]);
  expect(await rain("Rome")).toBe(1);
  const untimed = { disable_event_timestamp: true };
  expect(await server.post("/materialize", untimed)).toEqual([200, null]);
  expect(await rain("Oslo")).toBe(2);
});

test("a materialization in the background is accepted, keeps another from starting unless forced, and ends with the application", async () => {
  const began: AbortSignal[] = [];
  const failed: unknown[] = [];
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields: object) => void failed.push(fields),
  };
  const server = await openServer({ logger }, ({ store }) => ({
    ...store,
    materialize: async (view, options = {}) => {
      began.push(options.signal!);
      if (began.length > 2) throw new Error("no disk");
      await Promise.race([gate, new Promise((_resolve, reject) => options.signal!.addEventListener("abort", reject))]);
      return await store.materialize(view, options);
    },
  }));
  const body = { end_ts: "2026-11-25T10:00:00", feature_views: ["weather"] };
  const accepted = { status: "accepted", feature_views: ["weather"] };
  const url = "/materialize-incremental?async=true";
  expect(await server.post(url, body)).toEqual([202, accepted]);
  expect(await server.post(url, body)).toEqual([
    409,
    {
      error:
        "Cannot start async materialization — the following feature views are already in MATERIALIZING state: ['weather']. Use ?force=true to override.",
      feature_views: ["weather"],
    },
  ]);
  expect(await server.post(`${url}&force=true`, body)).toEqual([202, accepted]);
  expect(began).toHaveLength(2);
  release();
  await expect.poll(async () => (await server.post(url, body))[0]).toBe(202);
  await expect.poll(() => failed).toMatchObject([{ view: "weather", error: { message: "no disk" } }]);
  await server.app.close();
  expect(began.every(({ aborted }) => aborted)).toBe(true);
  await server.face[Symbol.asyncDispose]();
});
