import { openDuckDb } from "../../../packages/duckdb/dist/index.js";
import { openFeatureStore } from "../../../packages/feature-store/dist/index.js";
import { serviceOf } from "../definitions.mjs";
import { serve } from "./serve.mjs";

// `bare` is a store that neither keeps nor finds segment files: it has what was ingested, and no more.
const [history, way = "auto"] = process.argv.slice(2);
const engine = way === "bare" ? "auto" : way;
const duckdb = await openDuckDb();
const service = serviceOf();
const store = await openFeatureStore({ history, services: [service], duckdb, segmentFiles: way !== "bare" });
const joined = async (labels, options) =>
  await store.history(service, { labels: await duckdb.scan(labels), labelTime: "ts", engine, ...options });

await serve({
  prepare: async () => ({}),
  warm: async () => ({ warmed: await store.warm(service) }),
  run: async ({ labels }) => ({ rows: (await joined(labels, { inMemory: true })).rows }),
  file: async ({ labels, out }) => ({ rows: (await joined(labels, { path: out })).rows }),
});
await store[Symbol.asyncDispose]();
await duckdb[Symbol.asyncDispose]();
