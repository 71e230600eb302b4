import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BatchesOptions, Dataset } from "@millwright/contracts";
import { batchOf, compileTransforms, datasetOf, fitTransforms, profileToJson } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { EvenShare } from "../src/input/even-share.ts";
import type { ReadableRows } from "../src/input/row-reader.ts";
import { scanRows } from "../src/input/scan-rows.ts";

const ROWS = 120_000;

const transforms = compileTransforms(
  await fitTransforms(
    [
      { kind: "numeric", column: "delay" },
      { kind: "oneHot", column: "carrier" },
    ],
    datasetOf([batchOf({ delay: [1, 2], carrier: ["c1", "c2"] })]),
  ),
);

const readable = (dataset: Dataset): ReadableRows => ({
  dataset,
  transforms,
  trainBatch: undefined,
  label: "late",
  task: "binary",
  share: new EvenShare(ROWS),
});

test("of rows in Parquet only the labels are walked, and the profile is that of the batches; other rows are walked once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "scan-rows-"));
  await using duckdb = await openDuckDb({ threads: 2 });
  const path = join(folder, "rows.parquet");
  const select = (late: string): string =>
    `SELECT (hash(i) % 5003) / 7.0::DOUBLE AS delay, CASE WHEN i % 9 = 0 THEN NULL ELSE 'c' || i % 12 END AS carrier, ${late} AS late, i AS other FROM range(${ROWS}) AS r(i)`;
  await duckdb.writeParquet(select("(i % 2)::INTEGER"), path);
  const stored = await duckdb.scan(path);
  const walks: BatchesOptions["columns"][] = [];
  const noting = (dataset: Dataset): Dataset => {
    const batches: Dataset["batches"] = (options) => {
      walks.push(options?.columns);
      return dataset.batches(options);
    };
    const { profile } = dataset as { profile?: unknown };
    return Object.defineProperty({ ...dataset, batches }, "profile", { value: profile });
  };
  const { signal } = new AbortController();
  const request = (name: string) => ({ directory: join(folder, name), train: { digest: "sha256:1" } });
  const cheap = await scanRows(request("cheap"), stored, readable(stored), signal);
  const watched = noting(stored);
  expect(profileToJson(await scanRows(request("noted"), watched, readable(watched), signal))).toEqual(
    profileToJson(cheap),
  );
  expect(walks.splice(0)).toEqual([["late"]]);
  const { slice: _none, ...unsliced } = stored;
  const once = noting(unsliced);
  const walked = await scanRows(request("walked"), once, readable(once), signal);
  expect(walks.splice(0)).toEqual([["delay", "carrier", "late"]]);
  expect(Object.keys(cheap.columns)).toEqual(["delay", "carrier"]);
  const exact = ({ columns: { delay, carrier } }: typeof cheap): unknown => [
    { ...delay, moments: { ...delay!.moments, mean: 0, m2: 0 } },
    { ...carrier, frequent: carrier!.frequent!.counts },
  ];
  expect(exact(cheap)).toEqual(exact(walked));
  expect(cheap.columns["delay"]!.moments!.mean).toBeCloseTo(walked.columns["delay"]!.moments!.mean, 9);
  // A label that is none is found before anything is profiled.
  await duckdb.writeParquet(select("CASE WHEN i = 77777 THEN 2 ELSE 1 END"), path);
  const damaged = await duckdb.scan(path);
  await expect(scanRows(request("damaged"), damaged, readable(damaged), signal)).rejects.toMatchObject({
    code: "TRAINER_LABEL_INVALID",
    message: expect.stringContaining("77777") as string,
  });
  await rm(folder, { recursive: true, force: true });
});
