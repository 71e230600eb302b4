import { writeFile } from "node:fs/promises";
import { createManualClock, createRandom } from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { openMemoryOnlineStore } from "../../packages/feature-store/dist/drivers/memory.js";
import * as features from "../../packages/feature-store/dist/index.js";
import { openMemoryEventLog } from "../../packages/storage/dist/index.js";
import { catalogue } from "./feature-catalogue.ts";
import { clicks, definitions, remote, service } from "./feature-definitions.ts";
import { doors } from "./feature-doors.ts";
import { keyedStores } from "./feature-keyed.ts";
import { pins } from "./feature-pins.ts";
import { services as beyond } from "./feature-services.ts";
import { gate, numbers, streams } from "./feature-streams.ts";
import { type FailureTable, type Failures, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const clock = createManualClock(10_000);
const at = (ms: number): Date => new Date(ms);
const row = { user: "ann", at: at(9_000), plan: "free", credit: 3n };
const keys = { user: "ann" };
const entities = data.batchOf({ user: ["ann"] });
const request = data.batchOf({ amount: data.column("float64", [3]) });
const labels = data.batchOf({ user: ["ann"], at: [at(9_500)], amount: data.column("float64", [3]) });
const labelled = { labels, labelTime: "at" };
const clicked = data.batchOf({ user: ["ann"], at: [at(9_000)], ms: data.column("float64", [5]) });
const few = 25;

const viewUnknown = (call: () => unknown): Failures => ({ FEATURE_STORE_VIEW_UNKNOWN: call });
const serviceUnknown = (call: () => unknown): Failures => ({ PORT_FEATURE_SERVICE_UNKNOWN: call });
const columnMissing = (call: () => unknown): Failures => ({ FEATURE_STORE_COLUMN_MISSING: call });

type Store = features.FeatureStore;

function reads(folder: string, store: Store): Subjects {
  return methods("openFeatureStore()", () => store, {
    describe: [() => ["score", { signal }], serviceUnknown(() => store.describe("other")), few],
    read: [
      () => ["score", { entities, request, timeMs: 9_500, signal }],
      {
        ...serviceUnknown(() => store.read("other", { entities })),
        ...columnMissing(() => store.read("score", { entities: request })),
        FEATURE_STORE_ON_DEMAND_FAILED: () => store.read("remote", { entities, request }),
        FEATURE_STORE_STALE: () => store.read("score", { entities, request, timeMs: 500_000 }),
      },
    ],
    get: [
      () => ["profile", keys, { features: ["plan"], timeMs: 9_500, signal }],
      viewUnknown(() => store.get("other", keys)),
    ],
    getMany: [
      () => [[{ view: "profile", keys, features: ["plan"] }], { maxRecords: 5, timeMs: 9_500, signal }],
      { TypeError: () => store.getMany(Uint8Array.of(1) as never) },
    ],
    scan: [
      () => ["profile", { fromMs: 0, toMs: 9_500, duplicates: "keep", deleted: "keep", latest: true, signal }],
      viewUnknown(() => store.scan("other")),
    ],
    history: [
      () => [
        service,
        {
          ...labelled,
          asKnown: "available",
          leakage: { target: "amount", onLeak: "warn" },
          path: `${folder}/set.parquet`,
          signal,
        },
      ],
      {
        ...columnMissing(() => store.history(service, { ...labelled, labelTime: "when" })),
        FEATURE_STORE_AS_KNOWN_UNSUPPORTED: () => store.history(service, { ...labelled, asKnown: "created" }),
        FEATURE_STORE_COLUMN_TYPE: () =>
          store.history(service, {
            labels: data.withColumns(labels, { user: data.column("int8", [1]) }),
            labelTime: "at",
          }),
        ...serviceUnknown(() => store.history("other", labelled)),
      },
      20,
    ],
  });
}

async function* batches(...all: readonly ReturnType<typeof data.batchOf>[]): AsyncGenerator<(typeof all)[number]> {
  yield* all;
}

function writes(store: Store): Subjects {
  let batch = 0;
  const late = { ...row, user: "bob" };
  return methods("openFeatureStore()", () => store, {
    push: [
      () => ["clicks", clicked, { signal }],
      {
        ...viewUnknown(() => store.push("other", [])),
        ...columnMissing(() => store.push("clicks", [{ user: "ann" }])),
        FEATURE_STORE_VALUE_RANGE: () => store.push("clicks", [{ user: "ann", at: at(9_000), ms: 1e12 }]),
      },
      40,
    ],
    put: [
      () => ["profile", [row], { ttlMs: 90_000, to: "both", signal }],
      { FEATURE_STORE_COLUMN_TYPE: () => store.put("profile", [{ ...row, credit: "much" }]) },
    ],
    update: [
      () => ["profile", keys, { plan: "paid" }, { signal }],
      {
        FEATURE_STORE_RECORD_MISSING: () => store.update("profile", { user: "nobody" }, { plan: "paid" }),
        FEATURE_STORE_EVENT_TIME_CONFLICT: () => store.update("profile", keys, {}, { ifEventTimeMs: 5 }),
      },
    ],
    delete: [
      () => ["profile", { user: "nobody" }, { eventTimeMs: 9_000, hard: true, signal }],
      {
        FEATURE_STORE_DELETE_OUTDATED: async () => {
          await store.put("profile", [late]);
          await store.delete("profile", { user: "bob" }, { eventTimeMs: 5, hard: true });
        },
      },
    ],
    flush: [() => ["profile", { signal }], viewUnknown(() => store.flush("other")), few],
    ingest: [
      () => ["clicks", batches(clicked), { batchId: `batch ${(batch += 1)}`, signal }],
      {
        FEATURE_STORE_BATCH_CONFLICT: async () => {
          await store.ingest("clicks", batches(clicked), { batchId: "same" });
          await store.ingest("clicks", batches(clicked, clicked), { batchId: "same" });
        },
        ...columnMissing(() => store.ingest("clicks", batches(entities))),
      },
      30,
    ],
    materialize: [
      () => ["clicks", { upToMs: 9_500, signal }],
      viewUnknown(() => store.materialize("other", { upToMs: 1 })),
      few,
    ],
  });
}

function access(store: Store): Subjects {
  const authorizer = { decide: async () => ({ allowed: true as const }) };
  const denying = { decide: async () => ({ allowed: false as const, reason: "it is not yours" }) };
  const options = { services: [service], authorizer, principal: "ann" };
  const denied = features.restrictStore(store, { ...options, authorizer: denying });
  const refused = (call: () => unknown): Failures => ({ FEATURE_STORE_ACCESS_DENIED: call });
  return {
    restrictStore: well(features.restrictStore, () => [store, options]),
    ...methods("restrictStore()", () => features.restrictStore(store, options), {
      describe: [() => ["score", { signal }], refused(() => denied.describe("score")), few],
      read: [() => ["score", { entities, request, signal }], refused(() => denied.read("score", { entities })), few],
      get: [() => ["profile", keys, { signal }], refused(() => denied.get("profile", keys)), few],
      scan: [() => ["profile", { signal }], refused(() => denied.scan("profile")), few],
      history: [() => ["score", { ...labelled, signal }], refused(() => denied.history("score", labelled)), 15],
      put: [() => ["profile", [row], { signal }], refused(() => denied.put("profile", [row])), few],
      push: [() => ["clicks", clicked, { signal }], refused(() => denied.push("clicks", clicked)), few],
      update: [() => ["profile", keys, {}, { signal }], refused(() => denied.update("profile", keys, {})), few],
      delete: [() => ["profile", { user: "nobody" }, { signal }], refused(() => denied.delete("profile", keys)), few],
      ingest: [() => ["clicks", batches(clicked), { signal }], refused(() => denied.ingest("clicks", batches())), 15],
    }),
  };
}

function comparisons(store: Store): Subjects {
  const sampling = {
    services: [service],
    rate: 1,
    random: createRandom(1),
    nowMs: () => 9_500,
    sink: (given: readonly features.ServedSample[]) => void samples.push(...given),
    hashKey: "key",
  };
  const samples: features.ServedSample[] = [];
  const sampled = (): ReturnType<typeof features.sampleServed> => features.sampleServed(store, sampling);
  const changed = async (name: string, asked: Parameters<Store["read"]>[1]): ReturnType<Store["read"]> => {
    const read = await store.read(name, asked);
    const wrong = data.column("int32", new Array<number>(read.features.length).fill(77));
    return { ...read, features: data.withColumns(read.features, { clicks__clicks: wrong }) };
  };
  const other = { describe: store.describe.bind(store), read: changed };
  return {
    checkParity: well(features.checkParity, () => [store, counts, { ...countLabels, signal }], {}, 40),
    proveParity: well(
      features.proveParity,
      () => [store, counts, { ...countLabels, signal }],
      { FEATURE_STORE_PARITY_BROKEN: () => features.proveParity(store, counts, { ...countLabels, online: other }) },
      40,
    ),
    sampleServed: well(features.sampleServed, () => [store, sampling], {
      FEATURE_STORE_HASH_KEY_MISSING: () => features.sampleServed(store, { ...sampling, hashKey: undefined }),
    }),
    ...methods("sampleServed()", sampled, {
      describe: [() => ["score", { signal }], {}, few],
      read: [() => ["score", { entities, request, timeMs: 9_500, signal }], {}, few],
    }),
    reportSkew: well(
      features.reportSkew,
      async () => {
        await sampled().read("score", { entities, request, timeMs: 9_500 });
        return [store, service, { samples: samples.slice(0, 2), hashKey: "key", tolerance: 0.1, signal }];
      },
      {},
      60,
    ),
  };
}

/** Counts alone: they say the same from both sides. */
const counts = features.defineFeatureService({ name: "counts", views: [clicks] });
const countLabels = { labels: data.batchOf({ user: ["ann"], at: [at(9_500)] }), labelTime: "at" };

const shownBy: Readonly<Record<string, string>> = {
  BODY_INVALID: "fastify-refusals",
  BODY_TOO_LARGE: "fastify-refusals",
  CONTENT_TYPE_UNSUPPORTED: "fastify-refusals",
  DEFINITION_CHANGED: "history",
  FORMAT_TOO_NEW: "stored-formats",
  HISTORY_CORRUPT: "history",
  LEAKAGE: "leakage",
  LOG_CORRUPT: "online-store",
  TIME_TOO_OLD: "online",
  ONLINE_CORRUPT: "keyed-rows",
  VALUE_INVALID: "fastify-refusals",
  WRITE_FAILED: "online-full-disk",
};

export async function openTable(folder: string): Promise<FailureTable> {
  const duckdb = await openDuckDb();
  const services = [service, remote, counts, numbers];
  const events = openMemoryEventLog();
  const gates = { clicks: gate };
  const options = {
    history: `${folder}/history`,
    services,
    online: openMemoryOnlineStore(),
    duckdb,
    clock,
    events,
    gates,
  };
  const store = await features.openFeatureStore(options);
  await store.put("profile", [row]);
  await store.ingest("clicks", batches(clicked));
  await store.materialize("clicks", { upToMs: 9_200 });
  const file = `${folder}/file`;
  await writeFile(file, "no folder");
  const keyed = await keyedStores(folder);
  const elsewhere = await beyond(folder);
  const beside = await doors(folder, store, clock);
  let count = 0;
  const opening = () => [
    { ...options, history: `${folder}/${(count += 1)}`, online: openMemoryOnlineStore(), latenessMs: 1_000, signal },
  ];
  return {
    subjects: {
      ...definitions,
      ...beside.subjects,
      ...keyed.subjects,
      ...elsewhere.subjects,
      ...(await streams(store)),
      ...comparisons(store),
      ...reads(folder, store),
      ...(await pins(store, labelled)),
      ...access(store),
      ...writes(store),
      ...catalogue(store),
      openFeatureStore: well(
        features.openFeatureStore,
        opening,
        {
          FEATURE_STORE_WRITE_FAILED: () => features.openFeatureStore({ ...options, history: file }),
          FEATURE_STORE_DEFINITION_INVALID: () =>
            features.openFeatureStore({ ...options, services: [service, service] }),
        },
        40,
      ),
    },
    elsewhere: Object.fromEntries(
      Object.entries(shownBy).map(([code, test]) => [
        `FEATURE_STORE_${code}`,
        `packages/feature-store/test/${test}.test.ts`,
      ]),
    ),
    async [Symbol.asyncDispose]() {
      await beside[Symbol.asyncDispose]();
      await keyed[Symbol.asyncDispose]();
      await elsewhere[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await duckdb[Symbol.asyncDispose]();
    },
  };
}
