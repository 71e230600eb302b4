// One seeded generator for all programs: views and labels as Parquet, by DuckDB's hash, so that a size always gives the same rows.
import { join } from "node:path";

export const VIEWS = [
  { name: "v0", ttlDays: undefined },
  { name: "v1", ttlDays: 30 },
  { name: "v2", ttlDays: 7 },
];
export const FLOATS = Array.from({ length: 10 }, (_, index) => `f${index}`);
export const FEATURES = [...FLOATS, "whole", "text"];
const DAYS = 180;
const START = "TIMESTAMP '2024-01-01'";
const SPAN_SECONDS = DAYS * 86_400;

/** A whole number below `below`, the same for the same salt and columns. */
const below = (salt, columns, limit) => `CAST(hash(${salt}, ${columns}) % ${limit} AS BIGINT)`;

/**
 * A view's rows: `h` an entity, spread over 180 days, one in twenty restated (same event time, later `created_ts`), by entity and time.
 */
export function viewSql(index, entities, h) {
  const step = Math.floor(SPAN_SECONDS / h);
  const floats = FLOATS.map(
    (name, column) => `CAST(${below(index * 100 + column, "id, j, again", 100_000)} / 7 AS FLOAT) AS ${name}`,
  );
  return `SELECT id, ${START} + to_seconds(j * ${step} + ${below(index + 50, "id, j", step)}) AS event_ts,
    ${START} + to_seconds((j + 1) * ${step} + again * 3600) AS created_ts, ${floats.join(", ")},
    ${below(index + 60, "id, j, again", 1_000_000)} AS whole, 'text ' || ${below(index + 70, "id, j, again", 1000)} AS text
    FROM (SELECT e.range AS id, r.range AS j, a.range AS again FROM range(${entities}) AS e, range(${h}) AS r, range(2) AS a
      WHERE a.range = 0 OR hash(${index + 80}, e.range, r.range) % 20 = 0)`;
}

/** Labels: random entities, one in twenty unknown, at random seconds of the second half. */
export const labelsSql = (seed, rows, entities) =>
  `SELECT CAST(range AS INTEGER) AS number, ${below(seed * 10 + 1, "range", Math.ceil(entities * 1.05))} AS id,
   ${START} + to_seconds(${SPAN_SECONDS / 2} + ${below(seed * 10 + 2, "range", SPAN_SECONDS / 2)}) AS ts FROM range(${rows}) ORDER BY number`;

/** Writes what a size needs. @returns the paths of views and labels; labels 0 are a hundredth, to check answers with. */
export async function generate(duckdb, directory, { labels, entities, h }, sets) {
  const views = [];
  for (const [index, { name }] of VIEWS.entries()) {
    const path = join(directory, `${name}.parquet`);
    await duckdb.writeParquet(`${viewSql(index, entities, h)} ORDER BY id, event_ts, created_ts`, path);
    views.push(path);
  }
  const paths = [];
  for (let set = 0; set <= sets; set++) {
    const path = join(directory, `labels-${set}.parquet`);
    await duckdb.writeParquet(
      labelsSql(set, set === 0 ? Math.max(100, Math.round(labels / 100)) : labels, entities),
      path,
    );
    paths.push(path);
  }
  return { views, labels: paths };
}
