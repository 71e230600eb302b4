import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { describe, expect, test } from "vitest";
import { openFileFeatureSource } from "../src/drivers/files.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  mean,
  openFeatureStore,
} from "../src/index.ts";
import { batchOfRows } from "../src/definition/source-columns.ts";
import { ADAPTER_NOW_MS, adapterRows, adapterServices } from "../src/testing/index.ts";
import { allAbilities, holding, testAdapter } from "./adapter-suite.ts";
import { batches, columnsOf, temporaryDirectory } from "./rows.ts";

describe("files", () => {
  testAdapter("Parquet files", async () => {
    const directory = await temporaryDirectory();
    const duckdb = await openDuckDb();
    const views = new Map(adapterServices.flatMap((service) => service.views).map((view) => [view.name, view]));
    const files: Record<string, string> = {};
    for (const [name, rows] of Object.entries(adapterRows(holding(allAbilities)))) {
      files[name] = join(directory.path, `${name}.parquet`);
      await duckdb.writeParquet(batchOfRows("The rows", views.get(name)!, rows), files[name]);
    }
    const clock = createManualClock(ADAPTER_NOW_MS);
    const source = await openFileFeatureSource({ files, services: adapterServices, duckdb, clock });
    return {
      source,
      abilities: {
        ...allAbilities,
        write: "files are written by somebody else",
        minusZero: "the dictionaries of DuckDB's Parquet writer take it for zero",
      },
      put: () => Promise.reject(new Error("files are not written to")),
      async [Symbol.asyncDispose]() {
        await source[Symbol.asyncDispose]();
        await duckdb[Symbol.asyncDispose]();
        await directory[Symbol.asyncDispose]();
      },
    };
  });
});

const hour = 3_600_000;
const clicks = defineFeatureView({
  name: "clicks",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "at",
  inputs: { ms: "float64" },
  aggregates: { clicks_2h: count(hours(2)), ms_2h: mean("ms", hours(2)) },
});
const service = defineFeatureService({ name: "all", views: [clicks] });
const rowsOf = (hoursOfDay: readonly number[]) =>
  batchOf({
    user: hoursOfDay.map((each) => (each % 2 === 0 ? "ann" : "bob")),
    at: column(
      "timestamp",
      hoursOfDay.map((each) => new Date(each * hour)),
    ),
    ms: column(
      "float64",
      hoursOfDay.map((each) => each / 10),
    ),
  });

test("FS-33: windows over Parquet files are those of a store that ingested the same rows; new files count after a reload", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const clock = createManualClock(12 * hour);
  const pattern = join(directory.path, "clicks", "*.parquet");
  await duckdb.writeParquet(rowsOf([9, 10, 11]), join(directory.path, "clicks", "a.parquet"));
  await using source = await openFileFeatureSource({ files: { clicks: pattern }, services: [service], clock });
  const history = join(directory.path, "history");
  await using store = await openFeatureStore({ history, services: [service], online: openMemoryOnlineStore(), clock });
  await store.ingest(clicks, batches(rowsOf([9, 10, 11])));
  const entities = batchOf({ user: ["ann", "bob", "eve"] });
  const compare = async (): Promise<Record<string, unknown[]>> => {
    await store.materialize(clicks);
    const [theirs, ours] = await Promise.all([source.read("all", { entities }), store.read("all", { entities })]);
    expect([columnsOf(theirs.features), theirs.views]).toEqual([columnsOf(ours.features), ours.views]);
    return columnsOf(theirs.features);
  };
  expect(await compare()).toEqual({ clicks__clicks_2h: [1, 1, null], clicks__ms_2h: [1, 1.1, null] });
  await duckdb.writeParquet(rowsOf([8, 10, 11]), join(directory.path, "clicks", "b.parquet"));
  await store.ingest(clicks, batches(rowsOf([8, 10, 11])));
  expect(await source.reload()).toEqual({ rows: 6 });
  expect(await compare()).toEqual({ clicks__clicks_2h: [2, 2, null], clicks__ms_2h: [1, 1.1, null] });
});

test("FS-33: files that are missing, of other columns or not named are refused, and a failed reload leaves what was read", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const path = join(directory.path, "clicks.parquet");
  const open = () => openFileFeatureSource({ files: { clicks: path }, services: [service], duckdb });
  await expect(open()).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
  await duckdb.writeParquet(batchOf({ user: ["ann"], ms: [1] }), path);
  await expect(open()).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_MISSING" });
  await expect(openFileFeatureSource({ files: {}, services: [service], duckdb })).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_INVALID",
  });
  const good = join(directory.path, "good.parquet");
  await duckdb.writeParquet(rowsOf([10]), good);
  const clock = createManualClock(11 * hour);
  const source = await openFileFeatureSource({ files: { clicks: good }, services: [service], duckdb, clock });
  await duckdb.writeParquet(batchOf({ user: ["ann"], ms: [1] }), good);
  await expect(source.reload()).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_MISSING" });
  const { features } = await source.read("all", { entities: batchOf({ user: ["ann"] }) });
  expect(columnsOf(features)).toEqual({ clicks__clicks_2h: [1], clicks__ms_2h: [1] });
  await source[Symbol.asyncDispose]();
  await expect(source.reload()).rejects.toMatchObject({ code: "PORT_CLOSED" });
});
