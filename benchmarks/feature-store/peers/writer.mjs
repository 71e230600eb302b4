// Writes one view: `millwright` by its store, `copy` by DuckDB's COPY into the same folders, with the columns that the store adds.
import { openLogOnlineStore } from "../../../packages/feature-store/dist/drivers/log.js";
import { openDuckDb } from "../../../packages/duckdb/dist/index.js";
import { openFeatureStore } from "../../../packages/feature-store/dist/index.js";
import { serviceOf } from "../definitions.mjs";
import { VIEWS } from "../generate.mjs";
import { serve } from "./serve.mjs";

const [kind, history, onlineDirectory] = process.argv.slice(2);
const duckdb = await openDuckDb();
const online = onlineDirectory === undefined ? undefined : await openLogOnlineStore(onlineDirectory);
const store =
  kind === "millwright"
    ? await openFeatureStore({ history, services: [serviceOf()], duckdb, ...(online === undefined ? {} : { online }) })
    : undefined;
const [view] = VIEWS;
let path;

await serve({
  async prepare({ views }) {
    path = views[0];
  },
  async ingest() {
    if (store !== undefined) return { rows: (await store.ingest(view.name, await duckdb.scan(path))).rows };
    const columns = `* EXCLUDE (file_row_number), now()::TIMESTAMP AS write_time, now()::TIMESTAMP AS api_invocation_time,
      FALSE AS is_deleted, NULL::TIMESTAMP AS expires_time, file_row_number AS "_sequence", strftime(event_ts, '%Y-%m-%d') AS ds`;
    const rows = `SELECT ${columns} FROM read_parquet('${path}', file_row_number = true) ORDER BY ds, id, event_ts`;
    await duckdb.execute(`COPY (${rows}) TO '${history}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (ds))`);
    return {};
  },
  async count() {
    const entities = new Set();
    for await (const { key } of online.read(view.name)) if (key !== undefined) entities.add(key);
    return { entities: entities.size };
  },
  materialize: async ({ end }) => await store.materialize(view.name, { upToMs: end }),
});
await store?.[Symbol.asyncDispose]();
await online?.[Symbol.asyncDispose]();
await duckdb[Symbol.asyncDispose]();
