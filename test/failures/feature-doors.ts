import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
} from "../../packages/feature-store/node_modules/fastify/fastify.js";
import { type Clock, MillwrightError } from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import { openFeastFeatureSource } from "../../packages/feature-store/dist/drivers/feast.js";
import { openLogOnlineStore } from "../../packages/feature-store/dist/drivers/log.js";
import { openMemoryOnlineStore } from "../../packages/feature-store/dist/drivers/memory.js";
import { featureStoreRoutes, httpStatusOf } from "../../packages/feature-store/dist/fastify.js";
import { definitionsOfFeastRegistry, feastRoutes } from "../../packages/feature-store/dist/feast.js";
import { defineFeatureService, type FeatureStore, type OnlineStore } from "../../packages/feature-store/dist/index.js";
import { service } from "./feature-definitions.ts";
import { type AnyFunction, type Failures, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const online = { key: "ann", timeUs: 1, createdUs: null, inputs: [1, null], values: [1, "a"] };

/** A driver of online stores keeps what the store gives it: what stands for a record may be wrong, and is told by who reads it. */
const onlineStore = (name: string, open: () => Promise<OnlineStore>, outside: Failures = {}): Subjects =>
  methods(`${name}()`, open, {
    append: [() => ["view", [online], { signal }], outside, 40],
    read: [() => ["view", { signal }], {}, 40],
    replace: [() => ["view", [online], { signal }], {}, 40],
  });

async function onlineStores(folder: string): Promise<Subjects> {
  let count = 0;
  const path = (): string => `${folder}/online/${(count += 1)}`;
  const taken = path();
  const holder = await openLogOnlineStore(taken);
  return {
    openMemoryOnlineStore: well(openMemoryOnlineStore),
    ...onlineStore("openMemoryOnlineStore", async () => openMemoryOnlineStore()),
    openLogOnlineStore: well(
      openLogOnlineStore,
      () => [path(), { flush: "system", signal }],
      { FEATURE_STORE_LOG_LOCKED: () => openLogOnlineStore(taken) },
      60,
    ),
    ...onlineStore("openLogOnlineStore", async () => holder, {
      RangeError: () => holder.append("../outside", [online]),
    }),
  };
}

const read = (name: string): Promise<string> =>
  readFile(
    fileURLToPath(new URL(`../../packages/feature-store/test/fixtures/feast/${name}.json`, import.meta.url)),
    "utf8",
  );

async function feast(): Promise<Subjects> {
  const registry = JSON.parse(await read("registry")) as unknown;
  const answer = await read("online-features");
  const { views } = definitionsOfFeastRegistry(registry);
  const drivers = defineFeatureService({ name: "drivers", views: views.filter(({ name }) => name === "stats") });
  const answering =
    (status: number, body: string): typeof globalThis.fetch =>
    async () =>
      new Response(body, { status });
  const options = { url: "http://feast.example", services: [drivers], timeoutMs: 1_000, fetch: answering(200, answer) };
  const entities = data.batchOf({ driver_id: data.column("int64", [1n, 2n, 3n, 4n, 99n]) });
  const from = (fetch: typeof globalThis.fetch) => () =>
    openFeastFeatureSource({ ...options, fetch }).read("drivers", { entities });
  return {
    definitionsOfFeastRegistry: well(
      definitionsOfFeastRegistry,
      () => [structuredClone(registry)],
      { FEATURE_STORE_FEAST_REGISTRY_INVALID: () => definitionsOfFeastRegistry([]) },
      300,
    ),
    openFeastFeatureSource: well(openFeastFeatureSource, () => [{ ...options, headers: { a: "b" } }]),
    ...methods("openFeastFeatureSource()", () => openFeastFeatureSource(options), {
      describe: [
        () => ["drivers", { signal }],
        { PORT_FEATURE_SERVICE_UNKNOWN: () => openFeastFeatureSource(options).describe("other") },
      ],
      read: [
        () => ["drivers", { entities, timeMs: 5, signal }],
        {
          FEATURE_STORE_FEAST_ANSWER_INVALID: from(answering(200, "nothing")),
          FEATURE_STORE_FEAST_REFUSED: from(answering(503, "busy")),
          FEATURE_STORE_FEAST_UNREACHABLE: from(() => Promise.reject(new TypeError("fetch failed"))),
        },
      ],
    }),
  };
}

interface Told {
  readonly code?: string;
  readonly error?: string;
}

/** Mounts a plugin of routes, as an application does. */
async function mounted(plugin: FastifyPluginAsync): Promise<FastifyInstance> {
  const app = fastify();
  await app.register(plugin);
  await app.ready();
  return app;
}

/** What makes routes and mounts them, as one call. */
const mounting =
  (routes: typeof feastRoutes): AnyFunction =>
  async (...[store, options]: Parameters<typeof feastRoutes>) => {
    const app = await mounted(routes(store, options));
    await app.close();
  };

/** Sends a body to a route, and throws what the answer tells as its caller's code would. */
const sending =
  (app: FastifyInstance, url: string) =>
  async (body: unknown): Promise<void> => {
    const headers = { "content-type": "application/json" };
    const answer = await app.inject({ method: "POST", url, headers, payload: JSON.stringify(body) ?? "" });
    // A failure that the answer does not tell is one of ours, whatever was sent.
    if (answer.statusCode === 500) throw new Error(`${url} answers 500: ${answer.body}`);
    if (answer.statusCode === 200) return;
    const { code, error = "" } = answer.json<Told>();
    if (code !== undefined) throw new MillwrightError(code, error, { category: "user", remedy: "As the body says." });
  };

const rounds = 150;

function houseFace(app: FastifyInstance): Subjects {
  const pushed = { rows: [{ user: "ann", at: "1970-01-01T00:00:09Z", ms: 5 }] };
  const asked = { entities: { user: ["ann"] }, request: { amount: [3] }, timeMs: 9_500 };
  const read = sending(app, "/services/score/read");
  const push = sending(app, "/views/clicks/push");
  return {
    "featureStoreRoutes(read)": well(
      read,
      () => [asked],
      {
        FEATURE_STORE_BODY_INVALID: () => read([]),
        FEATURE_STORE_VALUE_INVALID: () => read({ ...asked, entities: { user: [1] } }),
        PORT_FEATURE_SERVICE_UNKNOWN: () => sending(app, "/services/other/read")({}),
      },
      rounds,
    ),
    "featureStoreRoutes(push)": well(
      push,
      () => [pushed],
      {
        FEATURE_STORE_BODY_TOO_LARGE: () => push({ rows: Array.from({ length: 9 }, () => pushed.rows[0]) }),
        FEATURE_STORE_VIEW_UNKNOWN: () => sending(app, "/views/other/push")(pushed),
      },
      rounds,
    ),
    "featureStoreRoutes(materialize)": well(sending(app, "/views/clicks/materialize"), () => [{ upToMs: 9_200 }]),
  };
}

function feastFace(app: FastifyInstance): Subjects {
  const columns = { user: ["ann"], event_timestamp: ["1970-01-01T00:00:09"], ms: [5] };
  const sent = { push_source_name: "clicks", df: columns, to: "online", allow_registry_cache: true };
  const wanted = { features: ["clicks:clicks"], entities: { user: ["ann"] }, full_feature_names: true };
  const span = { start_ts: "1970-01-01T00:00:00", end_ts: "1970-01-01T00:00:09", feature_views: ["clicks"] };
  return {
    "feastRoutes(read)": well(sending(app, "/get-online-features"), () => [wanted], {}, rounds),
    "feastRoutes(push)": well(sending(app, "/push"), () => [sent], {}, rounds),
    "feastRoutes(materialize)": well(sending(app, "/materialize"), () => [span]),
  };
}

async function faces(store: FeatureStore, clock: Clock): Promise<readonly [Subjects, FastifyInstance[]]> {
  const options = { services: [service], clock, maxBodyBytes: 20_000, maxBodyRows: 5, maxFutureMs: 1_000 };
  const house = await mounted(featureStoreRoutes(store, options));
  const feasts = { ...options, pushSources: { clicks: ["clicks"] }, viewVersions: { clicks: 1 } };
  const server = await mounted(feastRoutes(store, feasts));
  const subjects = {
    httpStatusOf: well(httpStatusOf, () => [new Error("a bug")]),
    featureStoreRoutes: well(mounting(featureStoreRoutes), () => [store, options]),
    ...houseFace(house),
    feastRoutes: well(mounting(feastRoutes), () => [store, feasts]),
    ...feastFace(server),
  };
  return [subjects, [house, server]];
}

/** Drivers, HTTP faces and Feast: what the doors beside the main one lead to. */
export async function doors(
  folder: string,
  store: FeatureStore,
  clock: Clock,
): Promise<AsyncDisposable & { readonly subjects: Subjects }> {
  const [subjects, apps] = await faces(store, clock);
  return {
    subjects: { ...(await onlineStores(folder)), ...(await feast()), ...subjects },
    async [Symbol.asyncDispose]() {
      for (const app of apps) await app.close();
    },
  };
}
