import { execFile, spawnSync } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fastify from "fastify";
import { type TestContext, expect, test } from "vitest";
import {
  createLineageServer,
  fileTransport,
  importLineageFile,
  openLineageColumnId,
  openLineageEmitter,
  openLineageId,
} from "../src/openlineage.ts";
import { liveThrough } from "./lineage-life.ts";
import { quick, toEnd } from "./openlineage-workshop.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

const scenario = fileURLToPath(new URL("openlineage/scenario.py", import.meta.url));
const python = process.env["MILLWRIGHT_OPENLINEAGE_PYTHON"] ?? "python3";
const isFound = spawnSync(python, ["-c", "import openlineage.client.event_v2, attr"]).status === 0;
const isWanted = isFound || process.env["CI"] === "true";
const missing = `${python} cannot import openlineage: pip install "openlineage-python==1.54.*", and name that Python in MILLWRIGHT_OPENLINEAGE_PYTHON`;
const skipWithout = (context: TestContext): void => context.skip(!isWanted, missing);

async function drive(...given: readonly string[]): Promise<void> {
  // The address is of this machine: no proxy stands before it. No settings of the machine's own either.
  const environment = { ...process.env, NO_PROXY: "127.0.0.1", OPENLINEAGE_CONFIG: "", PYTHONDONTWRITEBYTECODE: "1" };
  await promisify(execFile)(python, [scenario, ...given], { env: environment });
}

const flights = { namespace: "postgres://db:5432", name: "air.public.flights" };
const lake = { namespace: "s3://lake", name: "flights/2026.parquet" };
const [dag, extract, train] = [1, 2, 3].map((number) => `0199cccc-0000-7000-8000-00000000000${number}`) as [
  string,
  string,
  string,
];

/** What the client's events say, whichever way they came. */
async function expectNightly({ registry }: Workshop): Promise<void> {
  const dataset = { kind: "dataset", id: openLineageId(flights) } as const;
  const made = await registry.lineage(dataset, { direction: "descendants" });
  expect(new Set(made.map(({ entity }) => entity.name))).toEqual(
    new Set(["nightly.extract", lake.name, "hive.air.flights", "nightly.train", "report", "/data/report.csv"]),
  );
  const delay = { kind: "column", id: openLineageColumnId(lake, "delay") } as const;
  const columns = await registry.lineage(delay, { direction: "ancestors", associations: ["DerivedFrom"] });
  expect(columns.map(({ entity }) => entity.id)).toEqual([
    openLineageColumnId(flights, "arrived"),
    openLineageColumnId(flights, "planned"),
  ]);
  const filter = { kind: "column", id: openLineageColumnId(flights, "cancelled") } as const;
  expect((await registry.explainPath(filter, { kind: "dataset", id: openLineageId(lake) }))?.edges).toHaveLength(1);
  // The content that was written is known by its digest.
  const content = { kind: "dataset", id: `sha256:${"ab".repeat(32)}` } as const;
  expect((await registry.explainPath(dataset, content))?.edges).toHaveLength(2);
  expect(await registry.receivedRun(extract)).toMatchObject({
    state: "COMPLETE",
    startedMs: Date.parse("2026-01-05T06:00:01.123Z"),
    endedMs: Date.parse("2026-01-05T06:00:03.123Z"),
    job: { name: "nightly.extract", facets: { sql: { query: expect.stringContaining("select") as unknown } } },
    facets: { parent: { run: { runId: dag } } },
    inputs: [{ ...flights, inputFacets: { inputStatistics: { rowCount: 12 } } }],
    outputs: [{ ...lake, outputFacets: { outputStatistics: { rowCount: 12, size: 4096, fileCount: 1 } } }],
  });
  expect(await registry.receivedRun(train)).toMatchObject({
    state: "FAIL",
    facets: { errorMessage: { message: "out of memory", stackTrace: "at line 1" } },
  });
  expect(await registry.receivedRun(dag)).toMatchObject({ state: "ABORT", facets: { nominalTime: {} } });
  expect(await registry.receivedDataset(lake)).toMatchObject({
    facets: {
      documentation: { description: "All flights." },
      schema: { fields: [{ name: "delay", type: "double" }] },
    },
  });
}

test("MR-35: what the unmodified Python client emits over HTTP is lineage here, down to columns", async (context) => {
  skipWithout(context);
  await using workshop = await openWorkshop();
  const authenticate = (token: string | undefined) => (token === "secret" ? "python" : undefined);
  const server = createLineageServer({ registry: workshop.registry, authenticate });
  const app = fastify({ forceCloseConnections: true });
  await app.register(server.fastify);
  try {
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    await drive("emit-http", url, "secret");
    await expectNightly(workshop);
    expect((await workshop.events()).map(({ data }) => data["by"])).toEqual(Array.from({ length: 9 }, () => "python"));
    // Again, it says nothing new.
    await drive("emit-http", url, "secret");
    expect(await workshop.events()).toHaveLength(9);
    await expect(drive("emit-http", url, "wrong")).rejects.toThrowError(/401/);
  } finally {
    await app.close();
  }
}, 300_000);

test("MR-35: what it emits to files is the same lineage", async (context) => {
  skipWithout(context);
  await using workshop = await openWorkshop();
  const { registry, folder } = workshop;
  const [path, each] = [join(folder, "events.ndjson"), join(folder, "each")];
  await mkdir(each);
  await drive("emit-file", path, each);
  expect(await importLineageFile(registry, path)).toEqual({ received: 9, known: 0 });
  await expectNightly(workshop);
  const files = await readdir(each);
  expect(files).toHaveLength(9);
  for (const file of files)
    expect(await importLineageFile(registry, join(each, file))).toEqual({ received: 0, known: 1 });
}, 300_000);

test("MR-35: every event that we tell is an instance of the Python client's own classes, each facet of OpenLineage among them, and what the client makes of it again is the same", async (context) => {
  skipWithout(context);
  await using workshop = await openWorkshop();
  const { registry, database, folder } = workshop;
  await liveThrough(workshop);
  const [path, answered] = [join(folder, "told.ndjson"), join(folder, "answered.json")];
  const targets = [{ id: "file", transport: fileTransport({ path }) }];
  await using emitter = await openLineageEmitter({ registry, database, targets, ...quick });
  await toEnd(emitter, "file", workshop);
  await drive("load", path, answered);
  const told = (await readFile(path, "utf8")).trim().split("\n");
  const { events, facets } = JSON.parse(await readFile(answered, "utf8")) as { events: unknown[]; facets: string[] };
  expect(events).toHaveLength(told.length);
  // The client adds lists and facets that are empty where there are none.
  const bare = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (key, each: unknown) =>
      /^(?:.*[fF]acets|inputs|outputs|fields|dataset|transformations)$/.test(key) &&
      Object.keys(each as object).length === 0
        ? undefined
        : each,
    );
  for (const [index, line] of told.entries()) expect(bare(events[index])).toEqual(bare(JSON.parse(line)));
  expect(facets).toEqual([
    "ColumnLineageDatasetFacet",
    "DatasetTypeDatasetFacet",
    "DatasetVersionDatasetFacet",
    "DatasourceDatasetFacet",
    "DocumentationDatasetFacet",
    "ErrorMessageRunFacet",
    "InputStatisticsInputDatasetFacet",
    "JobTypeJobFacet",
    "LifecycleStateChangeDatasetFacet",
    "NominalTimeRunFacet",
    "OutputStatisticsOutputDatasetFacet",
    "ParentRunFacet",
    "ProcessingEngineRunFacet",
    "SchemaDatasetFacet",
    "TagsDatasetFacet",
    "TagsJobFacet",
    "TagsRunFacet",
  ]);
  // The classes say no: to a run that is no UUID, to a facet with a word it does not know.
  const [first = "{}"] = told;
  for (const wrong of [
    first.replace(/"runId":"[^"]+"/, '"runId":"one"'),
    first.replace('"jobType":"', '"jobKind":"'),
  ]) {
    expect(wrong).not.toBe(first);
    await writeFile(path, wrong);
    await expect(drive("load", path, answered)).rejects.toThrowError(/UUID|jobKind/);
  }
}, 300_000);
