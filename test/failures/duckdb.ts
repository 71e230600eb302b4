import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { batchOf, datasetOf, type ProfilableDataset } from "../../packages/data/dist/index.js";
import * as duckdb from "../../packages/duckdb/dist/index.js";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const batch = batchOf({ km: [1, 2, 3], origin: ["JFK", "LAX", "SFO"] });
const schema = [
  { name: "km", type: "float64" },
  { name: "origin", type: "utf8" },
] as const;

const walked = async (values: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of values) continue;
};

function statements(open: duckdb.DuckDb, folder: string): Subjects {
  const invalid = (call: () => unknown) => ({ DUCKDB_SQL_INVALID: call });
  return methods("openDuckDb()", () => open, {
    query: [
      () => ["SELECT ?::INTEGER AS a", { params: [1], batchRows: 10, signal }],
      {
        ...invalid(() => walked(open.query("SELEC 1"))),
        DUCKDB_PARAMS_INVALID: () => walked(open.query("SELECT ?", { params: [] })),
        DUCKDB_CONVERSION_FAILED: () => walked(open.query("SELECT 'x'::INTEGER AS a")),
        DUCKDB_TYPE_UNSUPPORTED: () => walked(open.query("SELECT INTERVAL 1 DAY AS a")),
        RangeError: () => walked(open.query("SELECT 1", { batchRows: 0 })),
      },
    ],
    execute: [() => ["SELECT ?", { params: ["a"], signal }], invalid(() => open.execute("DROP nothing"))],
    asDataset: [() => ["SELECT $a AS a", { params: { a: 1n }, signal }], invalid(() => open.asDataset("SELECT a"))],
    scan: [
      () => [`${folder}/rows.csv`, { format: "csv", schema, delimiter: ",", quote: '"', header: true, signal }],
      {
        DUCKDB_FILE_MISSING: () => open.scan(`${folder}/none.csv`),
        TypeError: () => open.scan(Uint8Array.of(1) as never),
        DUCKDB_FORMAT_UNKNOWN: () => open.scan(`${folder}/rows.xls`),
        DUCKDB_FILE_CORRUPT: () => open.scan(`${folder}/rows.csv`, { format: "parquet" }),
      },
    ],
    register: [
      () => ["flights", batch, { columns: ["km"], onBatch: () => {}, signal }],
      {
        DUCKDB_SCHEMA_MISMATCH: () => open.register("none", (async function* () {})()),
      },
    ],
    writeParquet: [
      () => ["SELECT 1 AS a", `${folder}/out.parquet`, { countRows: false, signal }],
      { DUCKDB_FILE_EXISTS: () => open.writeParquet("SELECT 1 AS a, 2 AS b", folder, { partitionBy: ["a"] }) },
      40,
    ],
    writeCsv: [() => ["SELECT 1 AS a", `${folder}/out.csv`, { signal }], {}, 30],
    writeNdjson: [
      () => ["SELECT 1 AS a", `${folder}/out.ndjson`, { signal }],
      { DUCKDB_CONVERSION_FAILED: () => open.writeNdjson("SELECT 'NaN'::DOUBLE AS a", `${folder}/nan.ndjson`) },
      30,
    ],
  });
}

async function datasets(open: duckdb.DuckDb, folder: string): Promise<Subjects> {
  await open.writeParquet(batch, `${folder}/rows.parquet`);
  const dataset = await open.scan(`${folder}/rows.parquet`);
  const ref = await dataset.ref();
  const changed = { ...ref, digest: `sha256:${"0".repeat(64)}` } as typeof ref;
  const query = await open.asDataset("SELECT 1 AS a");
  await open.writeParquet(batch, `${folder}/replaced.parquet`);
  const replaced = await open.scan(`${folder}/replaced.parquet`);
  await open.writeParquet("SELECT 1.5::DOUBLE AS km, 'JFK' AS origin", `${folder}/replaced.parquet`);
  const other = datasetOf([batchOf({ km: [2, 3], city: ["Ulm", "Bonn"] })]);
  const invalid = (call: () => unknown) => ({ DUCKDB_RELATION_INVALID: call });
  return {
    ...methods("openDuckDb()", () => open, {
      openRef: [
        () => [ref],
        {
          DUCKDB_REF_CHANGED: () => open.openRef(changed).digest(),
          DUCKDB_SCHEMA_MISMATCH: () => open.openRef({ ...ref, parts: [{ ...ref.parts[0]!, format: "arrow" }] }),
        },
      ],
    }),
    ...methods("openDuckDb()", () => open, {
      join: [
        () => [dataset, other, { on: ["km"], how: "left", nullsMatch: true, suffix: "_2", orderBy: ["km"], signal }],
        invalid(() => open.join(dataset, other, { on: ["none"] })),
        40,
      ],
      groupBy: [
        () => [dataset, { by: ["origin"], aggregates: { km: { kind: "sum", column: "km" } }, orderBy: ["km"], signal }],
        invalid(() => open.groupBy(dataset, { by: ["none"], aggregates: {} })),
        40,
      ],
      window: [
        () => [
          dataset,
          {
            partitionBy: ["origin"],
            orderBy: [{ column: "km", descending: true, nulls: "first" }],
            columns: {
              before: { kind: "lag", column: "km", offset: 2 },
              sum: { kind: "sum", column: "km", preceding: 1 },
            },
            signal,
          },
        ],
        invalid(() => open.window(dataset, { orderBy: [], columns: {} })),
        40,
      ],
    }),
    ...methods("openDuckDb()", () => open, {
      profile: [
        () => [dataset, { columns: ["km"], maxBuckets: 64, maxTexts: 16, rankError: 0.01, signal }],
        {
          RangeError: () => open.profile(dataset, { columns: ["none"] }),
          DUCKDB_FILE_CHANGED: () => open.profile(replaced),
        },
        40,
      ],
    }),
    ...methods("openDuckDb().scan()", () => dataset, {
      batches: [
        () => [{ columns: ["km"], batchRows: 2, signal }],
        { RangeError: () => walked(dataset.batches({ columns: ["none"] })) },
      ],
      profile: [
        () => [{ columns: ["km"], maxTexts: 16, signal }],
        {
          RangeError: () => (dataset as ProfilableDataset).profile!({ columns: ["none"] }),
          DUCKDB_FILE_CHANGED: () => (replaced as ProfilableDataset).profile!(),
        },
        40,
      ],
      digest: [() => [{ signal }], { DUCKDB_FILE_CHANGED: () => replaced.digest() }],
      slice: [() => [0, 2], { RangeError: () => dataset.slice!(-1, 2) }],
      ref: [() => [{ signal }], { PORT_UNSUPPORTED: () => query.ref() }],
    }),
  };
}

export async function openTable(folder: string): Promise<FailureTable> {
  const open = await duckdb.openDuckDb({ threads: 1, memoryLimitBytes: 256 * 1024 * 1024 });
  await open.execute(`COPY (SELECT 1.5 AS km, 'JFK' AS origin) TO ${duckdb.literal(join(folder, "rows.csv"))}`);
  await writeFile(`${folder}/junk.duckdb`, "no database, but long enough to be one. ".repeat(500));
  const onFile = await duckdb.openDuckDb({ path: `${folder}/mill.duckdb`, threads: 1, allowedDirectories: [folder] });
  return {
    subjects: {
      identifier: well(duckdb.identifier, () => ['a "b"']),
      literal: well(duckdb.literal, () => ["it's"]),
      openDuckDb: well(
        duckdb.openDuckDb,
        () => [
          { memoryLimitBytes: 64 * 1024 * 1024, threads: 1, allowedDirectories: [folder], concurrency: 1, signal },
        ],
        {
          DUCKDB_ALREADY_OPEN: () => duckdb.openDuckDb({ path: `${folder}/mill.duckdb` }),
          DUCKDB_DATABASE_CORRUPT: () => duckdb.openDuckDb({ path: `${folder}/junk.duckdb` }),
          DUCKDB_ACCESS_DENIED: () => walked(onFile.query("SELECT * FROM read_csv('/no-such-folder/rows.csv')")),
        },
        40,
      ),
      ...statements(open, folder),
      ...(await datasets(open, folder)),
    },
    elsewhere: {
      DUCKDB_DISK_FULL: "packages/duckdb/test/limits.test.ts",
      DUCKDB_FILE_LOCKED: "packages/duckdb/test/database-file.test.ts",
      DUCKDB_INTERRUPTED:
        "DuckDB stops a query on its own only where it is asked to by nobody: it is not brought about",
      DUCKDB_MEMORY_EXHAUSTED: "packages/duckdb/test/limits.test.ts",
      DUCKDB_QUERY_FAILED: "the fallback for words of DuckDB that no rule knows",
      DUCKDB_STREAM_BROKEN: "DuckDB must break off in the middle of a stream, without a word of why",
      DUCKDB_TRANSACTION_CONFLICT: "two statements must change one row at the same instant",
      DUCKDB_WORKER_REFUSED: "packages/duckdb/test/database-file.test.ts",
    },
    [Symbol.asyncDispose]: async () => {
      await onFile[Symbol.asyncDispose]();
      await open[Symbol.asyncDispose]();
    },
  };
}
