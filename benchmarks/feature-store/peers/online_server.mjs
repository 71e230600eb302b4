// Our server as a program under test: one online store, behind the house's routes and behind Feast's. Arguments: what the store stands on
// (lmdb, redis or memory), a folder, the file of values, entities, their event time in UTC ms, the port of a Redis.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { batchOf, column } from "../../../packages/data/dist/index.js";
import { openLmdbOnlineStore } from "../../../packages/feature-store/dist/drivers/lmdb.js";
import { openMemoryOnlineStore } from "../../../packages/feature-store/dist/drivers/memory.js";
import { openRedisOnlineStore } from "../../../packages/feature-store/dist/drivers/redis.js";
import { featureStoreRoutes } from "../../../packages/feature-store/dist/fastify.js";
import { feastRoutes } from "../../../packages/feature-store/dist/feast.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../../../packages/feature-store/dist/index.js";
import { serve } from "./serve.mjs";

const ofPackage = createRequire(new URL("../../../packages/feature-store/package.json", import.meta.url));
const [kind, directory, valuesPath, ...numbers] = process.argv.slice(2);
const [entities, eventMs, redisPort] = numbers.map(Number);
const WIDTHS = [10, 50, 250];
const TOTAL = 310;

const user = defineEntity({ name: "user", keys: { user: "int64" } });
const views = WIDTHS.map((width) =>
  defineFeatureView({
    name: `p${width}`,
    entity: user,
    eventTime: "at",
    features: Object.fromEntries(Array.from({ length: width }, (_, index) => [`f${index}`, "float32"])),
  }),
);
const services = views.map((view, index) => defineFeatureService({ name: `s${WIDTHS[index]}`, views: [view] }));

async function openOnline() {
  if (kind === "memory") return openMemoryOnlineStore();
  if (kind === "redis") {
    const { createClient } = ofPackage("@redis/client");
    const client = createClient({ url: `redis://127.0.0.1:${redisPort}` });
    await client.connect();
    return openRedisOnlineStore(client);
  }
  const lmdb = ofPackage("lmdb").open({ path: join(directory, "online.lmdb"), overlappingSync: false });
  return openLmdbOnlineStore(lmdb, { flush: "system" });
}

const store = await openFeatureStore({ history: join(directory, "history"), services, online: await openOnline() });

async function load() {
  const bytes = readFileSync(valuesPath);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, entities * TOTAL);
  let first = 0;
  for (const [at, view] of views.entries()) {
    for (let from = 0; from < entities; from += 2000) {
      const length = Math.min(2000, entities - from);
      const features = Array.from({ length: WIDTHS[at] }, (_, index) => [
        `f${index}`,
        column(
          "float32",
          Float32Array.from({ length }, (_, row) => values[(from + row) * TOTAL + first + index]),
        ),
      ]);
      const columns = {
        user: column(
          "int64",
          BigInt64Array.from({ length }, (_, row) => BigInt(from + row)),
        ),
        at: column("timestamp", new BigInt64Array(length).fill(BigInt(eventMs) * 1000n)),
        ...Object.fromEntries(features),
      };
      await store.push(view, { length, columns });
    }
    first += WIDTHS[at];
  }
}

const started = performance.now();
await load();
const loadSeconds = (performance.now() - started) / 1000;
const app = ofPackage("fastify")();
await app.register(featureStoreRoutes(store, { services }), { prefix: "/house" });
await app.register(feastRoutes(store, { services }));
// What no server of this kind can do without: a request of JSON, an answer of the same length as that of one entity with fifty features.
const text = JSON.stringify({ features: Array.from({ length: 50 }, (_, index) => Math.fround(Math.sqrt(index))) });
app.post("/bare", (_request, reply) => reply.header("content-type", "application/json").send(text));
const url = await app.listen({ port: 0, host: "127.0.0.1" });

await serve({
  start: () => ({ port: Number(new URL(url).port), loadSeconds }),
  /** Calls in this process: the `read` that everybody uses, or the vector reader. */
  async read({ service, keys, how }) {
    if (how === "vectors") {
      const vectors = store.vectorReader(service);
      const width = vectors.featureNames.length;
      let target;
      for (const users of keys) {
        target = new Float64Array(users.length * width);
        for (let row = 0; row < users.length; row++)
          vectors.readNow({ user: users[row] }, target, { offset: row * width });
      }
      return { f0: Array.from({ length: target.length / width }, (_, row) => target[row * width]) };
    }
    let features;
    for (const users of keys)
      ({ features } = await store.read(service, { entities: batchOf({ user: column("int64", users.map(BigInt)) }) }));
    return {
      f0: [...features.columns[`${views[services.findIndex(({ name }) => name === service)].name}__f0`].values],
    };
  },
});
await app.close();
await store[Symbol.asyncDispose]();
// The clients of stores are this program's own.
process.exitCode = 0;
setTimeout(() => process.exit(), 100).unref();
