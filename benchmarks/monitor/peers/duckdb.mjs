// DuckDB alone: the same summaries by SQL on one thread. duckdb.mjs <both|stored> <reference> <current>
import { collect } from "../../../packages/data/dist/index.js";
import { openDuckDb } from "../../../packages/duckdb/dist/index.js";

const [mode, ...paths] = process.argv.slice(2);
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const duckdb = await openDuckDb({ threads: 1 });
const ready = { cpu: cpu(), rssKiB: process.resourceUsage().maxRSS };
let columns;
for (const path of mode === "both" ? paths : paths.slice(1)) {
  const { schema } = await duckdb.scan(path);
  const parts = schema.flatMap(({ name, type }) => [
    `count(${name}) AS ${name}__count`,
    `approx_count_distinct(${name}) AS ${name}__distinct`,
    ...(type === "utf8"
      ? [`CAST(map_values(histogram(${name})) AS BIGINT[]) AS ${name}__counts`]
      : [
          `avg(${name}) AS ${name}__mean`,
          `stddev(${name}) AS ${name}__sd`,
          `min(${name}) AS ${name}__min`,
          `max(${name}) AS ${name}__max`,
          `approx_quantile(${name}::DOUBLE, [0.05, 0.25, 0.5, 0.75, 0.95]) AS ${name}__q`,
        ]),
  ]);
  const { columns: row } = await collect(
    await duckdb.asDataset(`SELECT count(*) AS n, ${parts.join(", ")} FROM read_parquet('${path}')`),
  );
  const n = Number(row.n.values[0]);
  columns = Object.fromEntries(
    schema.map(({ name, type }) => {
      const count = Number(row[`${name}__count`].values[0]);
      const base = { count, missing: n - count };
      if (type === "utf8")
        return [name, { ...base, top: Math.max(...Array.from(row[`${name}__counts`].values.values, Number)) }];
      const q = row[`${name}__q`].values.values;
      return [name, { ...base, mean: row[`${name}__mean`].values[0], p50: Number(q[2]), p95: Number(q[4]) }];
    }),
  );
}
process.stdout.write(JSON.stringify({ ready, work: cpu() - ready.cpu, columns }));
await duckdb[Symbol.asyncDispose]();
