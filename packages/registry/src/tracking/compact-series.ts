import type { WriteScope } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import { type MetricColumns, decodeChunk, encodeChunk, joinChunks } from "./metric-chunk.ts";
import { stepsBetween } from "./series-summary.ts";

type Sql = WriteScope<RegistryTables>["sql"];

/** A series in fewer chunks than this is read well as it is. */
const manyChunks = 32;
/** Points of a chunk that is made of small ones: 1.5 MB. */
const pointsPerChunk = 65_536;

/** Joins the small chunks that logging point by point leaves behind. What is read back stays the same. */
export async function compactSeries(sql: Sql, run: string): Promise<void> {
  const scattered = await sql
    .selectFrom("registry_chunks")
    .innerJoin("registry_series", "registry_series.id", "registry_chunks.series")
    .select(({ fn }) => [
      "registry_chunks.series",
      fn.countAll<number>().as("chunks"),
      fn.sum<number>("registry_chunks.points").as("points"),
    ])
    .where("registry_series.run", "=", run)
    .groupBy("registry_chunks.series")
    .execute();
  for (const { series, chunks, points } of scattered) {
    if (chunks >= manyChunks && points / chunks < pointsPerChunk / 4) await compact(sql, series);
  }
}

async function compact(sql: Sql, series: number): Promise<void> {
  const rows = await sql
    .selectFrom("registry_chunks")
    .select(["id", "data"])
    .where("series", "=", series)
    .orderBy("id")
    .execute();
  const all = joinChunks(rows.map(({ data }) => decodeChunk(data)));
  await sql.deleteFrom("registry_chunks").where("series", "=", series).execute();
  for (let start = 0; start < all.steps.length; start += pointsPerChunk) {
    const columns: MetricColumns = {
      steps: all.steps.subarray(start, start + pointsPerChunk),
      timesMs: all.timesMs.subarray(start, start + pointsPerChunk),
      values: all.values.subarray(start, start + pointsPerChunk),
    };
    const chunk = { series, points: columns.steps.length, ...stepsBetween(columns), data: encodeChunk(columns) };
    await sql
      .insertInto("registry_chunks")
      .columns(["series", "points", "min_step", "max_step", "data"])
      .values(chunk as RegistryTables["registry_chunks"])
      .execute();
  }
}
