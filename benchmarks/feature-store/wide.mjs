// A wide view: one row of 50 numbers an entity, and a second row for one entity in a hundred a day later.
import { join } from "node:path";
import { defineEntity, defineFeatureService, defineFeatureView } from "../../packages/feature-store/dist/index.js";

export const WIDE_FEATURES = Array.from({ length: 50 }, (_, index) => `f${index}`);
export const DAY_ONE = Date.UTC(2024, 0, 1);
export const DAY_TWO = Date.UTC(2024, 0, 2);
export const DAY_THREE = Date.UTC(2024, 0, 3);

const rowsSql = (day, each, salt, rows) => {
  const floats = WIDE_FEATURES.map(
    (name, column) => `CAST(CAST(hash(${salt + column}, range) % 100000 AS BIGINT) / 7 AS FLOAT) AS ${name}`,
  );
  return `SELECT range * ${each} AS id, TIMESTAMP '2024-01-0${day}' + to_seconds(CAST(hash(${salt + 99}, range) % 86400 AS BIGINT)) AS event_ts,
    ${floats.join(", ")} FROM range(${rows})`;
};

/** Writes the rows of the first day, of the second, and of both. @returns their paths. */
export async function generateWide(duckdb, directory, entities) {
  const first = rowsSql(1, 1, 0, entities);
  const changes = rowsSql(2, 100, 100, Math.ceil(entities / 100));
  const paths = {};
  for (const [name, sql] of Object.entries({ first, changes, both: `${first} UNION ALL BY NAME ${changes}` })) {
    paths[name] = join(directory, `${name}.parquet`);
    await duckdb.writeParquet(`${sql} ORDER BY event_ts, id`, paths[name]);
  }
  return paths;
}

export const wideView = defineFeatureView({
  name: "wide",
  entity: defineEntity({ name: "thing", keys: { id: "int64" } }),
  eventTime: "event_ts",
  features: Object.fromEntries(WIDE_FEATURES.map((name) => [name, "float32"])),
});

export const wideService = defineFeatureService({ name: "all", views: [wideView] });
