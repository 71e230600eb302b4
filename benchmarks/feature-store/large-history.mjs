// A history of 50 million rows with 2 GiB for DuckDB: it is written, and labels are joined to it in a fresh process. Prints one JSON object a step.
// node benchmarks/feature-store/large-history.mjs [rows] [labels]
import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../../packages/feature-store/dist/index.js";

const MEMORY_LIMIT_BYTES = 2 * 2 ** 30;
const BATCHES = 10;
const DAYS = 30;
const view = defineFeatureView({
  name: "large",
  entity: defineEntity({ name: "thing", keys: { id: "int64" } }),
  eventTime: "at",
  features: { f0: "float32", f1: "float32", f2: "float32", f3: "float32" },
});
const service = defineFeatureService({ name: "all", views: [view] });

/** Rows `from` to `to`: entity and second are hashes of the number, so that they come in no order. */
const rowsSql = (from, to, entities) =>
  `SELECT CAST(hash(range) % ${entities} AS BIGINT) AS id, TIMESTAMP '2024-01-01' + to_seconds(CAST(hash(range, 1) % ${DAYS * 86_400} AS BIGINT)) AS at,
   ${[0, 1, 2, 3].map((index) => `CAST(hash(range, ${index + 2}) % 100000 AS FLOAT) AS f${index}`).join(", ")} FROM range(${from}, ${to})`;

const steps = {
  async write(store, duckdb, { rows, entities }) {
    for (let batch = 0; batch < BATCHES; batch++) {
      const sql = rowsSql(Math.floor((batch * rows) / BATCHES), Math.floor(((batch + 1) * rows) / BATCHES), entities);
      await store.ingest(view, await duckdb.asDataset(sql), { batchId: `batch ${batch}` });
    }
    return { rows };
  },
  async join(store, duckdb, { labels, entities, directory }) {
    const sql = `SELECT range AS number, CAST(hash(range, 9) % ${entities} AS BIGINT) AS id,
      TIMESTAMP '2024-01-01' + to_seconds(CAST(hash(range, 10) % ${DAYS * 86_400} AS BIGINT)) AS ts FROM range(${labels})`;
    const made = await store.history(service, {
      labels: await duckdb.asDataset(sql),
      labelTime: "ts",
      path: join(directory, "made.parquet"),
    });
    return { rows: made.rows };
  },
};

/** Looks at twenty answers by other means: the newest row among all of the entity. @returns how many are the same. */
async function check(duckdb, { rows, entities, directory }) {
  const found = [];
  for await (const batch of duckdb.query(
    `SELECT number, f0 IS NOT DISTINCT FROM (SELECT arg_max(CAST(hash(r.range, 2) % 100000 AS FLOAT), (hash(r.range, 1) % ${DAYS * 86_400}, r.range))
         FROM range(${rows}) AS r WHERE hash(r.range) % ${entities} = id AND hash(r.range, 1) % ${DAYS * 86_400} <= epoch(ts - TIMESTAMP '2024-01-01')) AS same FROM (SELECT *, large__f0 AS f0 FROM read_parquet('${join(directory, "made.parquet")}') WHERE number < 20)`,
  )) {
    for (let row = 0; row < batch.length; row++) found.push((batch.columns.same.values[row >> 3] >> (row & 7)) & 1);
  }
  return { checked: found.length, same: found.filter((each) => each === 1).length };
}

if (process.argv[2] === "--step") {
  const [, , , name, text] = process.argv;
  const options = JSON.parse(text);
  const duckdb = await openDuckDb({ memoryLimitBytes: MEMORY_LIMIT_BYTES });
  const store = await openFeatureStore({ history: join(options.directory, "history"), services: [service], duckdb });
  const [started, load] = [performance.now(), loadavg()[0]];
  const result = await steps[name](store, duckdb, options);
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const seconds = (microseconds) => Number((microseconds / 1e6).toFixed(1));
  console.log(
    JSON.stringify({
      step: name,
      ...result,
      wallSeconds: seconds((performance.now() - started) * 1000),
      cpuSeconds: seconds(userCPUTime + systemCPUTime),
      peakMiB: Math.round(maxRSS / 1024),
      load: [load, loadavg()[0]],
    }),
  );
  if (name === "join") console.log(JSON.stringify({ step: "check", ...(await check(duckdb, options)) }));
  await store[Symbol.asyncDispose]();
  await duckdb[Symbol.asyncDispose]();
} else {
  const [rows = 50_000_000, labels = 1_000_000] = process.argv.slice(2).map(Number);
  const directory = await mkdtemp(join(tmpdir(), "millwright-large-"));
  const options = { rows, labels, entities: Math.ceil(rows / 50), directory };
  try {
    for (const step of ["write", "join"]) {
      const child = fork(new URL(import.meta.url), ["--step", step, JSON.stringify(options)]);
      const code = await new Promise((resolve) => child.once("exit", resolve));
      if (code !== 0) throw new Error(`The step "${step}" ended with ${code}.`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
