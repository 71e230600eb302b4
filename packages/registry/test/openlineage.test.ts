import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type OpenLineageEvent,
  type OpenLineageRunEvent,
  datasetNameOf,
  openLineageRunId,
  tellEvent,
} from "../src/openlineage.ts";
import { flights, liveThrough } from "./lineage-life.ts";
import { openLineageValidator } from "./openlineage-schema.ts";
import { happened, quick, toEnd, toldBy } from "./openlineage-workshop.ts";
import { openWorkshop } from "./workshop.ts";

const isRun = (event: OpenLineageEvent): event is OpenLineageRunEvent => "run" in event;

/** Without anything of our own: what somebody reads who knows OpenLineage alone. */
const plain = (events: readonly OpenLineageEvent[]): unknown =>
  JSON.parse(JSON.stringify(events), (key, value: unknown) => (key.startsWith("millwright_") ? undefined : value));

test("MR-35: every event of runs, models, features, jobs, trials and traffic validates against OpenLineage's rules, and what was told is read back as the very same graph", async () => {
  await using workshop = await openWorkshop();
  await liveThrough(workshop);
  const told = await toldBy(workshop);
  const validate = openLineageValidator();
  for (const event of told) expect(validate(event), JSON.stringify([validate.errors, event])).toBe(true);
  expect(told.length).toBeGreaterThan(30);
  const kinds = new Set(told.map((event) => ("run" in event ? event.eventType : "job" in event ? "job" : "dataset")));
  expect(kinds).toEqual(new Set(["ABORT", "COMPLETE", "FAIL", "OTHER", "RUNNING", "START", "dataset", "job"]));
  // The validator can say no: a facet without its producer, a time without a zone.
  const [first] = told as [OpenLineageRunEvent];
  expect(validate({ ...first, eventTime: "2026-01-01T00:00:00" })).toBe(false);
  expect(validate({ ...first, run: { ...first.run, facets: { tags: { tags: [] } } } })).toBe(false);

  await using fresh = await openWorkshop();
  expect(await fresh.registry.receiveLineage(told)).toEqual({ received: told.length, known: 0 });
  const graph = await workshop.registry.lineageGraph();
  expect(graph.edges.length).toBeGreaterThan(15);
  expect(await fresh.registry.lineageGraph()).toEqual(graph);
  // Nothing of it is told again, nor twice where it came from.
  expect(await toldBy(fresh)).toEqual([]);
  await workshop.registry.receiveLineage(told);
  expect(await workshop.registry.lineageGraph()).toEqual(graph);
  expect(await workshop.registry.rebuildLineage()).toEqual(graph);
});

test("MR-35: whoever knows OpenLineage alone is led from the data over the run to the model and its endpoint", async () => {
  await using workshop = await openWorkshop();
  const { finished, failed, killed } = await liveThrough(workshop);
  const told = await toldBy(workshop, { namespace: "mill" });
  await using stranger = await openWorkshop();
  const { registry } = stranger;
  await registry.receiveLineage(plain(told));
  const dataset = { kind: "dataset", id: "mill datasets/flights" } as const;
  const reached = await registry.lineage(dataset, { direction: "descendants" });
  expect(reached.map(({ entity }) => entity.id)).toEqual(
    expect.arrayContaining([finished, "mill models/late", "mill endpoints/late"]),
  );
  expect((await registry.explainPath(dataset, { kind: "dataset", id: "mill models/late" }))?.steps).toHaveLength(2);
  expect(await registry.receivedRun(finished)).toMatchObject({ state: "COMPLETE", job: { name: "late" } });
  expect(await registry.receivedRun(failed)).toMatchObject({ state: "FAIL" });
  expect(await registry.receivedRun(killed)).toMatchObject({ state: "ABORT" });
  // A view's and a service's features lead back to columns of the source.
  const wind = { kind: "column", id: "mill feature-services/late_v1#weather__wind" } as const;
  const columns = await registry.lineage(wind, { direction: "ancestors", kinds: ["column"] });
  expect(columns.map(({ entity }) => entity.id)).toEqual([
    "mill feature-views/weather#wind",
    "mill feature-sources/weather#wind",
  ]);
  // The dataset that has an address of its own is called by it.
  const airports = await registry.receivedDataset({ namespace: "s3://lake", name: "airports/2026.parquet" });
  expect(airports).toMatchObject({
    facets: {
      schema: { fields: [{ name: "airport", type: "string" }] },
      dataSource: { name: "airports", uri: "s3://lake/airports/2026.parquet" },
      version: { datasetVersion: "0a1b" },
    },
    inputFacets: { inputStatistics: { rowCount: 12 } },
  });
});

test("MR-35: START, RUNNING, COMPLETE, FAIL and ABORT say what became of a run, with its parent, times, tags, params and metrics", async () => {
  await using workshop = await openWorkshop();
  const { finished, parent } = await liveThrough(workshop);
  const producer = "https://example.com/our-service/v1";
  const told = await toldBy(workshop, { producer });
  const ofRun = told.filter(isRun).filter(({ run }) => run.runId === finished);
  expect(ofRun.map(({ eventType }) => eventType)).toEqual(["START", "RUNNING", "COMPLETE", "OTHER"]);
  const run = await workshop.registry.run(finished);
  const end = ofRun.find(({ eventType }) => eventType === "COMPLETE");
  expect(end).toMatchObject({
    eventTime: (await workshop.events()).find(({ type }) => type === "run.finished")?.time,
    producer,
    job: { namespace: "millwright", name: "late" },
    run: {
      facets: {
        parent: { run: { runId: parent }, job: { namespace: "millwright", name: "late" } },
        nominalTime: {
          nominalStartTime: new Date(run.startedMs).toISOString(),
          nominalEndTime: new Date(run.endedMs ?? 0).toISOString(),
        },
        tags: { tags: [{ key: "team", value: "delays", source: "USER" }], _producer: producer },
        processing_engine: { name: "millwright/registry" },
        // JSON has no NaN.
        millwright_run: { params: { rate: 0.1, note: "NaN" }, metrics: { loss: 0.25, gap: "NaN" } },
      },
    },
    outputs: [{ outputFacets: { outputStatistics: { size: 2, fileCount: 1 } } }],
  });
  expect(ofRun[0]?.run.facets).not.toHaveProperty("errorMessage");
  const broken = told.filter(isRun).find(({ job }) => job.name === "jobs/broken");
  expect(broken).toMatchObject({
    eventType: "FAIL",
    run: { facets: { errorMessage: { message: "It ran out of memory.", programmingLanguage: "TypeScript" } } },
  });
  const model = told.filter(isRun).find(({ eventType }) => eventType === "OTHER");
  expect(model).toMatchObject({
    inputs: [{ name: "datasets/flights", facets: { version: { datasetVersion: flights } } }, {}],
    outputs: [
      {
        name: "models/late",
        facets: {
          version: { datasetVersion: "1" },
          lifecycleStateChange: { lifecycleStateChange: "CREATE" },
          datasetType: { datasetType: "MODEL" },
        },
      },
    ],
  });
});

test("each ending is mapped to an event type, whatever package tells of it", () => {
  const typesOf = (type: Parameters<typeof happened>[0], data: object = {}): unknown[] =>
    tellEvent(happened(type, "study/7", { ...data }), {
      namespace: "mill",
      producer: "pkg:npm/mill",
      version: "1",
    }).map((event) => ("run" in event ? event.eventType : Object.keys(event)));
  expect(typesOf("run.started", { made: [{ kind: "run", id: "r" }] })).toEqual(["START"]);
  for (const [type, told] of [
    ["run.resumed", "RUNNING"],
    ["run.finished", "COMPLETE"],
    ["run.failed", "FAIL"],
    ["run.killed", "ABORT"],
    ["run.updated", "OTHER"],
    ["trial.started", "START"],
    ["trial.paused", "RUNNING"],
    ["trial.resumed", "RUNNING"],
    ["trial.completed", "COMPLETE"],
    ["trial.failed", "FAIL"],
    ["trial.pruned", "ABORT"],
  ] as const)
    expect([type, typesOf(type)]).toEqual([type, [told]]);
  for (const [state, told] of [
    ["starting", "RUNNING"],
    ["interrupted", "RUNNING"],
    ["stopping", "RUNNING"],
    ["completed", "COMPLETE"],
    ["failed", "FAIL"],
    ["stopped", "ABORT"],
    ["max-runtime-exceeded", "ABORT"],
    ["max-wait-time-exceeded", "ABORT"],
  ])
    expect([state, typesOf("job.state-changed", { state, number: 3 })]).toEqual([state, [told]]);
  expect(typesOf("job.state-changed", { state: "pending", number: 0 })).toEqual(["START"]);
  // What says nothing of lineage is not told.
  for (const type of ["run.deleted", "drift.detected", "slo.burning", "audit.denied", "budget.reserved"] as const)
    expect([type, typesOf(type)]).toEqual([type, []]);
});

test("addresses are called as OpenLineage's naming has it, without who may read them", () => {
  const table = {
    "s3://bucket/a/b c.parquet": ["s3://bucket", "a/b c.parquet"],
    "s3a://bucket/key": ["s3://bucket", "key"],
    "gs://bucket/key": ["gs://bucket", "key"],
    "/data/flights.csv": ["file", "/data/flights.csv"],
    "file:///data/fl%20ights.csv": ["file", "/data/fl ights.csv"],
    "file://host/data/flights.csv": ["file://host", "/data/flights.csv"],
    "postgresql://ann:secret@db:6543/air/public/flights": ["postgres://db:6543", "air.public.flights"],
    "postgres://db/air.public.flights?sslmode=require": ["postgres://db:5432", "air.public.flights"],
    "mysql://db/air.flights": ["mysql://db:3306", "air.flights"],
    "trino://host:443/hive.air.flights": ["trino://host:443", "hive.air.flights"],
    "hdfs://name:8020/data/flights": ["hdfs://name:8020", "/data/flights"],
    "abfss://box@store.dfs.core.windows.net/data": ["abfss://box@store.dfs.core.windows.net", "/data"],
    "kafka://broker:9092/flights": ["kafka://broker:9092", "flights"],
    "https://ann:secret@example.com/flights.csv?token=secret": ["https://example.com", "flights.csv"],
  };
  for (const [address, [namespace, name]] of Object.entries(table))
    expect([address, datasetNameOf(address)]).toEqual([address, { namespace, name }]);
  for (const none of ["", "flights", "s3://bucket", "{}"]) expect(datasetNameOf(none)).toBeUndefined();
});

test("runs are UUIDs: one that is none is called by a name-based UUID, the same for ever", () => {
  expect(openLineageRunId({ kind: "run", id: "0199AAAA-0000-7000-8000-000000000001" })).toBe(
    "0199aaaa-0000-7000-8000-000000000001",
  );
  expect(openLineageRunId({ kind: "run", id: "0199aaaa000070008000000000000001" })).toBe(
    "0199aaaa-0000-7000-8000-000000000001",
  );
  // As Python's uuid.uuid5(uuid.NAMESPACE_URL, "millwright:job/clean") has it.
  expect(openLineageRunId({ kind: "job", id: "clean" })).toBe("76e9e87b-7d96-5a99-a67c-b0848570b129");
});

test("the schema of our own facets is in the package, where their _schemaURL ends", async () => {
  await using workshop = await openWorkshop();
  await liveThrough(workshop);
  const told = JSON.stringify(await toldBy(workshop));
  const own = new Set(told.match(/https:\/\/unpkg\.com\/[^"]+/g));
  expect(own.size).toBe(3);
  for (const url of own) {
    const [file = "", pointer = ""] = url.split("@millwright/registry/")[1]?.split("#/$defs/") ?? [];
    const schema = JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), "utf8")) as {
      readonly $id: string;
      readonly $defs: Record<string, unknown>;
    };
    expect(schema.$id).toBe(url.split("#")[0]);
    expect(schema.$defs).toHaveProperty(pointer);
  }
});

test("a target that is new begins with the first event or with the next, and is told again what it is rewound to", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  const { openLineageEmitter, consoleTransport } = await import("../src/openlineage.ts");
  const run = await registry.startRun({ experiment: "late" });
  const told: Record<string, string[]> = { all: [], next: [] };
  const target = (id: "all" | "next", begins: "first" | "end") => ({
    id,
    begins,
    transport: consoleTransport({
      write: (line) => told[id]?.push((JSON.parse(line) as OpenLineageRunEvent).eventType ?? ""),
    }),
  });
  await using emitter = await openLineageEmitter({
    registry,
    database,
    ...quick,
    targets: [target("all", "first"), target("next", "end")],
  });
  await run.end("killed");
  await toEnd(emitter, "all", workshop);
  await toEnd(emitter, "next", workshop);
  expect(told).toEqual({ all: ["START", "ABORT"], next: ["ABORT"] });
  await emitter.replay("next", 0);
  await expect.poll(() => told["next"]).toEqual(["ABORT", "START", "ABORT"]);
  await expect(emitter.state("other")).rejects.toMatchObject({ code: "REGISTRY_OPENLINEAGE_TARGET_UNKNOWN" });
});
