import { join } from "node:path";
import { type DatasetFixture, datasetContract } from "@millwright/contracts/testing";
import { describe, test } from "vitest";
import { openDuckDb, type DuckDb } from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";

const rows = (from: number, to: number): string =>
  `SELECT range AS id, range / 7 AS share, 'row ' || range AS name, range % 3 = 0 AS third,
   CASE WHEN range % 4 > 0 THEN range::INTEGER END AS some FROM range(${from}, ${to})`;

const fixtures: Readonly<Record<string, (duckdb: DuckDb, folder: string) => Promise<DatasetFixture>>> = {
  "a query": async (duckdb) => ({
    dataset: await duckdb.asDataset(`${rows(0, 40)} ORDER BY range`),
    recut: await duckdb.asDataset(`${rows(0, 13)} UNION ALL ${rows(13, 40)}`),
  }),
  "Parquet files": async (duckdb, folder) => {
    const paths = ["whole", "first", "second"].map((name) => join(folder, `${name}.parquet`)) as [
      string,
      string,
      string,
    ];
    await duckdb.writeParquet(rows(0, 40), paths[0]);
    await duckdb.writeParquet(rows(0, 21), paths[1]);
    await duckdb.writeParquet(rows(21, 40), paths[2]);
    return { dataset: await duckdb.scan(paths.slice(1)), recut: await duckdb.scan(paths[0]) };
  },
  "a reference": async (duckdb, folder) => {
    const path = join(folder, "referred.parquet");
    await duckdb.writeParquet(rows(0, 40), path);
    const recut = await duckdb.scan(path);
    return { dataset: duckdb.openRef(await recut.ref()), recut };
  },
};

describe.each(Object.entries(fixtures))("%s", (_, open) => {
  for (const { name, appliesTo, run } of datasetContract) {
    test(name, async (context) => {
      await using directory = await temporaryDirectory();
      await using duckdb = await openDuckDb({ threads: 2 });
      const fixture = await open(duckdb, directory.path);
      context.skip(appliesTo?.(fixture) === false, "the dataset has no slices");
      await run(fixture);
    });
  }
});
