import { createManualClock, createRandom, type FeatureSource } from "@millwright/contracts";
import { batchOf, column, columnOf, toArray, withColumns } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  checkParity,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  openFeatureStore,
  proveParity,
  reportSkew,
  sampleServed,
  type ServedSample,
} from "../src/index.ts";
import { clicks, HOUR, profile, service, times } from "./score-service.ts";
import { batches, temporaryDirectory } from "./rows.ts";

const users = Array.from({ length: 20 }, (_, index) => `user ${index}`);

/** A store whose history and online state hold the same random rows. */
async function setUp(): Promise<AsyncDisposable & { readonly store: FeatureStore }> {
  const directory = await temporaryDirectory();
  const random = createRandom(7);
  const clock = createManualClock(60 * HOUR);
  const store = await openFeatureStore({
    history: directory.path,
    services: [service],
    online: openMemoryOnlineStore(),
    latenessMs: 100 * HOUR,
    clock,
  });
  const pick = () => users[random.integer(users.length)]!;
  const rows = Array.from({ length: 400 }, () => ({ user: pick(), hour: random.next() * 48 }));
  const clicked = batchOf({
    user: rows.map(({ user }) => user),
    at: times(rows.map(({ hour }) => hour)),
    ms: rows.map(() => random.normal() * 1e3),
  });
  await store.ingest(clicks, batches(clicked));
  const known = rows.slice(0, 60);
  await store.ingest(
    profile,
    batches(
      batchOf({
        user: known.map(({ user }) => user),
        at: times(known.map(({ hour }) => hour)),
        seen: times(known.map(({ hour }) => hour)),
        plan: column(
          "utf8",
          known.map((_, index) => (index % 7 === 0 ? null : `plan ${index}`)),
        ),
        credit: column(
          "int64",
          known.map((_, index) => 2n ** 53n + BigInt(index)),
        ),
      }),
    ),
  );
  for (const view of [clicks, profile]) await store.materialize(view, { upToMs: 60 * HOUR });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const labelsOf = (count: number) =>
  batchOf({
    user: Array.from({ length: count }, (_, index) => users[index % 20]!),
    at: times(Array.from({ length: count }, (_, index) => 20 + (index % 25))),
    amount: Array.from({ length: count }, (_, index) => index / 3),
  });

/** The source with one feature changed. */
const changing = (
  source: FeatureSource,
  feature: string,
  change: (value: number, row: number) => number,
): FeatureSource => ({
  describe: (name, call) => source.describe(name, call),
  async read(name, request) {
    const served = await source.read(name, request);
    const values = toArray(columnOf(served.features, feature)) as (number | null)[];
    const changed = values.map((value, row) => (value === null ? null : change(value, row)));
    return { ...served, features: withColumns(served.features, { [feature]: column("float64", changed) }) };
  },
});

/** The next double above. */
function nextUp(value: number): number {
  const bits = new BigInt64Array(new Float64Array([value]).buffer);
  bits[0]! += value >= 0 ? 1n : -1n;
  return new Float64Array(bits.buffer)[0]!;
}

test("FS-19: training and serving agree to the bit, and one unit in the last place is found, by feature and row", async () => {
  await using setting = await setUp();
  const { store } = setting;
  const options = { labels: labelsOf(100), labelTime: "at" };
  const report = await proveParity(store, service, options);
  expect(report).toEqual({
    service: "score",
    digest: service.digest,
    rows: 100,
    values: 700,
    mismatches: 0,
    byFeature: {},
    examples: [],
  });
  const off = changing(store, "clicks__ms_mean_1d", (value, row) => (row === 2 ? nextUp(value) : value));
  const found = await checkParity(store, service, { ...options, online: off });
  expect(found.mismatches).toBeGreaterThan(0);
  expect(Object.keys(found.byFeature)).toEqual(["clicks__ms_mean_1d"]);
  const { row, offline, online } = found.examples[0]!;
  expect(online).toBe(nextUp(offline as number));
  await expect(proveParity(store, service, { ...options, online: off })).rejects.toMatchObject({
    code: "FEATURE_STORE_PARITY_BROKEN",
    message: expect.stringContaining(`"clicks__ms_mean_1d" of row ${row}`) as string,
  });
});

test("FS-20: a unit mixed up in serving stands first in the skew report", async () => {
  await using setting = await setUp();
  const { store } = setting;
  const samples: ServedSample[] = [];
  const sampling = {
    services: [service],
    rate: 0.5,
    random: createRandom(3),
    nowMs: () => 50 * HOUR,
    sink: (given: readonly ServedSample[]) => void samples.push(...given),
  };
  const ask = async (source: FeatureSource): Promise<void> => {
    samples.length = 0;
    for (let hour = 20; hour < 45; hour++) {
      const request = batchOf({ at: times(users.map(() => hour)), amount: users.map((_, index) => index) });
      await source.read("score", { entities: batchOf({ user: users }), request, timeMs: hour * HOUR });
    }
    await new Promise((resolve) => setImmediate(resolve));
  };
  await ask(sampleServed(store, sampling));
  expect(samples.length).toBeGreaterThan(150);
  expect(samples.length).toBeLessThan(350);
  // As if they had been on disk.
  const kept = JSON.parse(JSON.stringify(samples)) as ServedSample[];
  const clean = await reportSkew(store, service, { samples: kept });
  expect(clean).toMatchObject({ samples: kept.length, skipped: 0 });
  expect(clean.features).toHaveLength(7);
  expect(clean.features.every(({ mismatches, distance }) => mismatches === 0 && distance === 0)).toBe(true);
  // Seconds where milliseconds are meant.
  await ask(
    sampleServed(
      changing(store, "clicks__ms_mean_1d", (value) => value / 1000),
      sampling,
    ),
  );
  const report = await reportSkew(store, service, { samples });
  const [first, second] = report.features;
  expect(first).toMatchObject({ feature: "clicks__ms_mean_1d" });
  expect(first!.mismatchRate).toBeGreaterThan(0.9);
  expect(first!.distance).toBeGreaterThan(0.3);
  expect(first!.maxError).toBeGreaterThan(100);
  expect(second!.mismatches).toBe(0);
  const others = samples.map((sample) => ({ ...sample, digest: "sha256:other" }));
  const strange = await reportSkew(store, service, { samples: others });
  expect(strange).toMatchObject({ skipped: samples.length });
});

test("FS-31: personal values stand hashed in samples, and are compared all the same", async () => {
  await using directory = await temporaryDirectory();
  const canary = "canary-7f3a@example.org";
  const person = defineEntity({ name: "person", keys: { email: "utf8" } });
  const contacts = defineFeatureView({
    name: "contacts",
    entity: person,
    eventTime: "at",
    features: { phone: "utf8", calls: "int32" },
    columns: { email: { sensitivity: "pii" }, phone: { sensitivity: "pii" } },
  });
  const reach = defineFeatureService({ name: "reach", views: [contacts] });
  await using store = await openFeatureStore({
    history: directory.path,
    services: [reach],
    online: openMemoryOnlineStore(),
    clock: createManualClock(10 * HOUR),
  });
  await store.put(contacts, [{ email: canary, at: new Date(HOUR), phone: "+49 30 1234567", calls: 3 }]);
  const samples: ServedSample[] = [];
  const options = {
    services: [reach],
    rate: 1,
    random: createRandom(1),
    nowMs: () => 10 * HOUR,
    sink: (given: readonly ServedSample[]) => void samples.push(...given),
  };
  expect(() => sampleServed(store, options)).toThrow(
    expect.objectContaining({ code: "FEATURE_STORE_HASH_KEY_MISSING" }),
  );
  await sampleServed(store, { ...options, hashKey: "secret" }).read("reach", {
    entities: batchOf({ email: [canary] }),
  });
  await expect.poll(() => samples.length).toBe(1);
  const text = JSON.stringify(samples);
  expect(text).not.toContain(canary);
  expect(text).not.toContain("1234567");
  expect(samples[0]!.features["contacts__calls"]).toBe(3);
  const report = await reportSkew(store, reach, { samples, hashKey: "secret" });
  expect(report).toMatchObject({ samples: 1, skipped: 0 });
  expect(report.features.map(({ mismatches }) => mismatches)).toEqual([0, 0]);
});
