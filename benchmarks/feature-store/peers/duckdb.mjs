// DuckDB by hand, in Node: `exact` decides ties by `created_ts`, `plain` takes any of the rows of one time. Both give the labels' order. `days` is `exact` over the
// Hive-partitioned files of our history instead of one sorted file a view, and reads no day that is outside the labels' times and the time to live.
import { createRequire } from "node:module";
import { FEATURES, VIEWS } from "../generate.mjs";
import { serve } from "./serve.mjs";

const require = createRequire(new URL("../../../packages/duckdb/package.json", import.meta.url));
const { DuckDBInstance } = require("@duckdb/node-api");
const [way, history] = process.argv.slice(2);
const isExact = way !== "plain";
const connection = await (await DuckDBInstance.create(":memory:")).connect();
let sources = [];

const ttlOf = ({ ttlDays }) => (ttlDays === undefined ? "" : ` AND f.event_ts > l.ts - INTERVAL ${ttlDays} DAY`);

/** Keys and times first, then the row that counts of those that were found. */
async function joinExact(view, index) {
  await connection.run(`CREATE OR REPLACE TEMP TABLE k AS SELECT l.number, f.id, f.event_ts FROM l
    ASOF JOIN (SELECT id, event_ts FROM ${sources[index]}) f ON l.id = f.id AND l.ts >= f.event_ts WHERE f.event_ts <= l.ts${ttlOf(view)}`);
  const fields = FEATURES.map((name) => `'${name}': f.${name}`).join(", ");
  const columns = FEATURES.map((name) => `d.s.${name} AS "${view.name}__${name}"`).join(", ");
  await connection.run(`CREATE OR REPLACE TEMP TABLE r${index} AS SELECT k.number, ${columns} FROM k JOIN (
    SELECT f.id, f.event_ts, arg_max({${fields}}, f.created_ts) AS s FROM ${sources[index]} f
    SEMI JOIN k ON f.id = k.id AND f.event_ts = k.event_ts GROUP BY ALL) d USING (id, event_ts)`);
}

async function joinPlain(view, index) {
  const columns = FEATURES.map((name) => `f.${name} AS "${view.name}__${name}"`).join(", ");
  await connection.run(`CREATE OR REPLACE TEMP TABLE r${index} AS SELECT l.number, ${columns} FROM l
    ASOF JOIN ${sources[index]} f ON l.id = f.id AND l.ts >= f.event_ts WHERE f.event_ts <= l.ts${ttlOf(view)}`);
}

/** The files of the days that can matter. */
async function sourcesByDay() {
  const reader = await connection.runAndReadAll("SELECT min(ts) AS first, max(ts) AS last FROM l");
  const [{ first, last }] = reader.getRowObjects();
  const day = (micros) => new Date(Number(micros / 1000n)).toISOString().slice(0, 10);
  return VIEWS.map(({ name, ttlDays }) => {
    const from =
      ttlDays === undefined ? "" : ` AND ds >= DATE '${day(first.micros - BigInt(ttlDays) * 86_400_000_000n)}'`;
    return `(SELECT * FROM read_parquet('${history}/${name}/ds=*/*.parquet', hive_partitioning = true) WHERE ds <= DATE '${day(last.micros)}'${from})`;
  });
}

let isWarm = false;

async function join(labels) {
  await connection.run(`CREATE OR REPLACE TEMP TABLE l AS SELECT * FROM read_parquet('${labels}')`);
  if (way === "days" && !isWarm) sources = await sourcesByDay();
  for (const [index, view] of VIEWS.entries()) await (isExact ? joinExact(view, index) : joinPlain(view, index));
  const joins = VIEWS.map((_, index) => `LEFT JOIN r${index} ON r${index}.number = l.number`).join(" ");
  const columns = VIEWS.map((_, index) => `r${index}.* EXCLUDE (number)`).join(", ");
  return `SELECT l.*, ${columns} FROM l ${joins} ORDER BY l.number`;
}

await serve({
  async prepare({ views }) {
    sources = views.map((path) => `read_parquet('${path}')`);
  },
  async warm({ views }) {
    for (const [index, path] of views.entries()) {
      await connection.run(`CREATE TABLE t${index} AS SELECT * FROM read_parquet('${path}')`);
    }
    sources = views.map((_, index) => `t${index}`);
    isWarm = true;
  },
  async run({ labels }) {
    await connection.run(`CREATE OR REPLACE TEMP TABLE result AS ${await join(labels)}`);
  },
  async file({ labels, out }) {
    await connection.run(`COPY (${await join(labels)}) TO '${out}' (FORMAT parquet, COMPRESSION zstd)`);
  },
});
connection.closeSync();
