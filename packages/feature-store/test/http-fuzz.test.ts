import { createRandom, type Random } from "@millwright/contracts";
import { batchOf, column, toIpc } from "@millwright/data";
import fastify, { type InjectOptions } from "fastify";
import { expect, test } from "vitest";
import { featureStoreRoutes } from "../src/fastify.ts";
import { feastRoutes } from "../src/feast.ts";
import { openFaceStore, services } from "./face-store.ts";

const texts = [
  "",
  "stats:rating",
  "2026-11-25T11:00:00Z",
  "0000-00-00",
  "NaN",
  "__proto__",
  "constructor",
  "9".repeat(400),
  "\u0000",
  "\ud800",
  "ride",
  "weather",
];
const pick = <Item>(random: Random, items: readonly Item[]): Item => items[Math.floor(random.next() * items.length)]!;

/** Anything JSON can say, and what it cannot. */
function anything(random: Random, depth = 0): string {
  const kind = Math.floor(random.next() * (depth > 3 ? 7 : 9));
  if (kind === 0) return "null";
  if (kind === 1) return pick(random, ["true", "false"]);
  if (kind === 2)
    return pick(random, [
      "0",
      "-0",
      "1",
      "1e999",
      "-1e-400",
      "9007199254740993",
      "1.5",
      "253402300800000",
      "-99999999999999999999",
    ]);
  if (kind === 3) return JSON.stringify(pick(random, texts));
  if (kind === 4) return pick(random, ["NaN", "Infinity", "-Infinity", "undefined", "'", "\\"]);
  if (kind === 5) return "[]";
  if (kind === 6) return "{}";
  const items = Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => anything(random, depth + 1));
  if (kind === 7) return `[${items.join(",")}]`;
  return `{${items.map((item) => `${JSON.stringify(pick(random, texts))}:${item}`).join(",")}}`;
}

/** A body that would be taken, with some of its values replaced by others, or cut, or with bytes changed. */
function spoiled(random: Random, body: string): Buffer {
  const kind = random.next();
  if (kind < 0.15) return Buffer.from(anything(random));
  if (kind < 0.75) {
    const values = [...body.matchAll(/"[^"]*"|-?\d+(?:\.\d+)?|null|true|\[[^[\]]*\]/g)];
    let text = body;
    for (let count = 1 + Math.floor(random.next() * 2); count > 0; count--) {
      const { 0: value } = pick(random, values);
      text = text.replace(value, () => anything(random, 2));
    }
    return Buffer.from(text);
  }
  const bytes = Buffer.from(body);
  if (kind < 0.85) return bytes.subarray(0, Math.floor(random.next() * bytes.length));
  for (let count = 1 + Math.floor(random.next() * 4); count > 0; count--)
    bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
  return bytes;
}

const row = {
  driver_id: 1,
  happened: "2026-11-25T11:00:00Z",
  event_timestamp: "2026-11-25T11:00:00",
  seen: null,
  gone: false,
  rating: 1.5,
  share: 1,
  trips: "1",
  huge: 1,
  rank: 1,
  car: "a",
  active: true,
  joined: "2026-11-25T11:00:00Z",
  born: "2026-11-25",
};
const df = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value]]));
const ride = {
  entities: { driver_id: [1, 2], city: ["Bern", "a"] },
  request: { at: [null, "2026-11-25T11:00:00Z"], amount: [1, 2] },
};
const online = {
  features: ["stats:rating", "weather@v1:rain"],
  entities: { ...ride.entities },
  full_feature_names: true,
};
const taken: readonly (readonly [url: string, body: object])[] = [
  ["/house/services/ride/read", { ...ride, timeMs: Date.UTC(2026, 10, 25, 11) }],
  ["/house/services/skies/read", { entities: [{ city: "Bern" }] }],
  ["/house/views/stats/push", { rows: [row] }],
  ["/house/views/stats/push", { columns: df }],
  ["/house/views/weather/materialize", { upToMs: Date.UTC(2026, 10, 25, 11) }],
  ["/feast/get-online-features", online],
  [
    "/feast/get-online-features",
    { feature_service: "ride", full_feature_names: true, entities: { ...ride.entities, ...ride.request } },
  ],
  ["/feast/push", { push_source_name: "stats", df, to: "online_and_offline" }],
  ["/feast/write-to-online-store", { feature_view_name: "stats", df }],
  ["/feast/materialize", { start_ts: "2026-11-25", end_ts: "2026-11-25T11:00:00", feature_views: ["weather"] }],
  ["/feast/materialize-incremental", { end_ts: "2026-11-25T11:00:00", feature_views: ["weather"] }],
];

async function openFaces() {
  const face = await openFaceStore();
  const app = fastify();
  const options = { services, clock: face.clock, maxBodyRows: 100 };
  await app.register(featureStoreRoutes(face.store, options), { prefix: "/house" });
  await app.register(feastRoutes(face.store, options), { prefix: "/feast" });
  return {
    app,
    send: async (url: string, payload: Buffer, headers: Record<string, string> = {}) =>
      await app.inject({ method: "POST", url, payload, headers } as InjectOptions),
    async [Symbol.asyncDispose]() {
      await app.close();
      await face[Symbol.asyncDispose]();
    },
  };
}

test("no body, however wrong, is answered with a failure of the server, and the right ones are still taken afterwards", async () => {
  await using faces = await openFaces();
  const random = createRandom(20);
  const statuses = new Map<number, number>();
  for (let round = 0; round < 1500; round++) {
    const [url, body] = pick(random, taken);
    const payload = spoiled(random, JSON.stringify(body));
    const answer = await faces.send(url, payload);
    statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1);
    const shown = `round ${round}: ${url} ${payload.toString().slice(0, 2000)} -> ${answer.body.slice(0, 300)}`;
    if (answer.statusCode >= 500) throw new Error(shown);
    if (answer.body !== "") JSON.parse(answer.body);
  }
  // The fuzz reaches what it is for: bodies taken, bodies malformed, values refused.
  for (const status of [200, 400, 422]) expect(statuses.get(status) ?? 0, `${status}`).toBeGreaterThan(30);
  for (const [url, body] of taken) {
    const answer = await faces.send(url, Buffer.from(JSON.stringify(body)));
    expect([url, answer.statusCode, answer.body.slice(0, 200)]).toEqual([url, 200, expect.anything()]);
  }
});

test("no Arrow stream, cut or changed anywhere, is answered with a failure of the server", async () => {
  await using faces = await openFaces();
  const random = createRandom(21);
  const headers = { "content-type": "application/vnd.apache.arrow.stream" };
  const whole = Buffer.from(
    toIpc(
      batchOf({
        driver_id: column("int64", [1n, null, 3n]),
        city: column("dictionary", ["Bern", null, "Oslo"]),
        at: column("timestamp", [0n, null, 1n]),
        amount: column("float64", [1, null, 2]),
        more: column("utf8", ["a", null, "bc"]),
        flag: column("bool", [true, null, false]),
      }),
    ),
  );
  expect((await faces.send("/house/services/ride/read", whole, headers)).statusCode).toBe(200);
  const statuses = new Set<number>();
  for (let round = 0; round < 1200; round++) {
    const bytes = Buffer.from(whole);
    for (let count = 1 + Math.floor(random.next() * 3); count > 0; count--)
      bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    const payload = random.next() < 0.3 ? bytes.subarray(0, Math.floor(random.next() * bytes.length)) : bytes;
    const answer = await faces.send("/house/services/ride/read", payload, headers);
    statuses.add(answer.statusCode);
    if (answer.statusCode >= 500) throw new Error(`round ${round}: ${payload.toString("base64")} -> ${answer.body}`);
  }
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 422]));
});

test("a body made to be slow, deep or echoed is refused in no time and in few words", async () => {
  await using faces = await openFaces();
  const long = 1_000_000;
  const online = (rest: string): string => `{"features":["stats:rating"],"entities":{"driver_id":[1]},${rest}}`;
  const bodies: readonly (readonly [what: string, url: string, body: string])[] = [
    ["a string without an end", "/feast/push", `{"a":1234567890123456,"b":"${String.raw`\"`.repeat(long)}`],
    ["a string of quotes", "/feast/push", `{"a":NaN,"b":"${String.raw`\"`.repeat(long)}"}`],
    [
      "nearly a number",
      "/feast/write-to-online-store",
      JSON.stringify({
        feature_view_name: "weather",
        df: { city: ["a"], event_timestamp: ["2026-11-25"], rain: [`${"1".repeat(long)}x`], rating: [1] },
      }),
    ],
    ["deep lists", "/feast/get-online-features", `{"features":[${"[".repeat(long)}${"]".repeat(long)}],"entities":{}}`],
    [
      "deep lists that are no lists",
      "/feast/get-online-features",
      `{"entities":{"driver_id":${'{"a":'.repeat(long)}1${"}".repeat(long)}}}`,
    ],
    ["deep entities", "/house/services/skies/read", `{"entities":{"city":[${"[".repeat(long)}${"]".repeat(long)}]}}`],
    ["many wrong members", "/feast/get-online-features", `{"features":[${"1,".repeat(long)}1],"entities":{}}`],
    [
      "one feature many times",
      "/feast/get-online-features",
      `{"features":[${'"stats:rating",'.repeat(long / 10)}"stats:rank"],"entities":{"driver_id":[1]},"full_feature_names":true}`,
    ],
    ["a feature of a long name", "/feast/get-online-features", `{"features":["${"a".repeat(long)}:b"],"entities":{}}`],
    ["a view of a long name", "/feast/write-to-online-store", `{"feature_view_name":"${"a".repeat(long)}","df":{}}`],
    ["a flag of a long name", "/feast/get-online-features", online(`"full_feature_names":"${"a".repeat(long)}"`)],
    ["columns of long names", "/house/views/weather/push", `{"columns":{"${"a".repeat(long)}":[1]}}`],
  ];
  for (const [what, url, body] of bodies) {
    const started = process.cpuUsage();
    const answer = await faces.send(url, Buffer.from(body));
    expect([what, answer.statusCode >= 400 && answer.statusCode < 500, answer.body.length < 5000]).toEqual([
      what,
      true,
      true,
    ]);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000, what).toBeLessThan(5000);
  }
});
