import { createRandom, digestOf } from "@millwright/contracts";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { importLineageFile, openLineageColumnId, openLineageId } from "../src/openlineage.ts";
import { foreignFacet, lake, nightly, raw, runIds, scores, view } from "./openlineage-workshop.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

const dataset = (name: { readonly namespace: string; readonly name: string }) =>
  ({ kind: "dataset", id: openLineageId(name) }) as const;
const column = (name: { readonly namespace: string; readonly name: string }, field: string) =>
  ({ kind: "column", id: openLineageColumnId(name, field) }) as const;

/** Edges in no order, without the events that say them. */
async function edgesOf({ registry }: Workshop): Promise<string[]> {
  const { edges } = await registry.lineageGraph();
  const text = ({ kind, id }: { readonly kind: string; readonly id: string }) => `${kind} ${id}`;
  return [
    ...new Set(edges.map(({ made, from, association }) => `${text(from)} ${association} ${text(made)}`)),
  ].toSorted();
}

test("MR-35: events of a scheduler become nodes and edges, down to columns; facets that nobody here knows are kept", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  for (const event of nightly)
    expect(await registry.receiveLineage(event, { by: "airflow" })).toMatchObject({ received: 1 });

  const run = (name: keyof typeof runIds) => ({ kind: "run", id: runIds[name] }) as const;
  const made = await registry.lineage(dataset(raw), { direction: "descendants" });
  expect(made.map(({ entity, distance }) => [distance, entity.kind, entity.name])).toEqual([
    [1, "run", "nightly.extract"],
    [2, "dataset", lake.name],
    [3, "dataset", view.name],
    [3, "run", "nightly.train"],
    [4, "dataset", scores.name],
  ]);
  // A table by its other name is the same.
  const path = await registry.explainPath(dataset(view), dataset(raw));
  expect(path?.steps.map((step) => step.replace(/ \(.*/, ""))).toHaveLength(3);
  expect(path?.edges.map(({ event }) => [event.type, event.time])).toEqual([
    ["run.finished", "2026-01-05T06:00:03.123Z"],
    ["run.finished", "2026-01-05T06:00:03.123Z"],
    ["run.started", "2026-01-05T06:00:01.123Z"],
  ]);
  // Tasks have to do with their run, which is no way of data.
  const around = await registry.lineage(run("dag"), { direction: "descendants", associations: ["AssociatedWith"] });
  expect(around.map(({ entity }) => entity.id).toSorted()).toEqual([runIds.extract, runIds.train]);
  expect(await registry.lineage(run("dag"), { direction: "descendants" })).toEqual([]);

  const sources = async (field: string, associations?: ["DerivedFrom"]) =>
    (await registry.lineage(column(lake, field), { direction: "ancestors", associations })).map(
      ({ entity }) => entity.name,
    );
  expect(await sources("delay")).toEqual(["air.public.flights.arrived", "air.public.flights.carrier"]);
  // What only decides about rows is no source of a value.
  expect(await sources("delay", ["DerivedFrom"])).toEqual(["air.public.flights.arrived"]);
  expect(await sources("day")).toEqual(["air.public.flights.day"]);
  const filtered = await registry.lineage(column(raw, "cancelled"), { direction: "descendants", depth: 1 });
  expect(filtered.map(({ entity }) => entity.id)).toEqual([openLineageId(lake)]);

  expect(await registry.receivedRun(runIds.extract.toUpperCase())).toEqual({
    runId: runIds.extract,
    job: { namespace: "airflow", name: "nightly.extract", facets: {} },
    state: "COMPLETE",
    startedMs: Date.parse("2026-01-05T06:00:01.123Z"),
    endedMs: Date.parse("2026-01-05T06:00:03.123Z"),
    facets: {
      parent: expect.objectContaining({ run: { runId: runIds.dag } }),
      airflow: foreignFacet,
      progress: expect.objectContaining({ done: 1 }),
    },
    inputs: [{ ...raw, facets: {}, inputFacets: { inputStatistics: expect.objectContaining({ rowCount: 12 }) } }],
    outputs: [nightly[3]?.outputs?.[0]],
  });
  expect(await registry.receivedRun(runIds.train)).toMatchObject({
    state: "FAIL",
    facets: { errorMessage: { message: "out of memory" } },
    inputs: [{ ...lake }],
    outputs: [{ ...scores }],
  });
  expect(await registry.receivedRun("0199bbbb-0000-7000-8000-00000000000f")).toBeUndefined();
  expect(await registry.receivedDataset(view)).toBeUndefined();
  const told = (await workshop.events()).filter(({ type }) => type === "job.lineage-received");
  expect(told.map(({ data }) => data["by"])).toEqual(nightly.map(() => "airflow"));
});

test("MR-35: whatever the order, and however often each comes, the graph and the runs are the same", async () => {
  await using ordered = await openWorkshop();
  await ordered.registry.receiveLineage(nightly);
  const edges = await edgesOf(ordered);
  const runs = await Promise.all(Object.values(runIds).map((id) => ordered.registry.receivedRun(id)));
  for (let seed = 1; seed <= 6; seed += 1) {
    const random = createRandom(seed);
    const shuffled = [...nightly, ...nightly, ...nightly]
      .map((event) => ({ event, rank: random.next() }))
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ event }) => event);
    await using workshop = await openWorkshop();
    const counts = { received: 0, known: 0 };
    for (let at = 0; at < shuffled.length; at += 4) {
      const { received, known } = await workshop.registry.receiveLineage(shuffled.slice(at, at + 4));
      counts.received += received;
      counts.known += known;
    }
    expect(counts).toEqual({ received: nightly.length, known: 2 * nightly.length });
    expect(await edgesOf(workshop)).toEqual(edges);
    const again = await Promise.all(Object.values(runIds).map((id) => workshop.registry.receivedRun(id)));
    // A dataset is listed where it is named first.
    expect(again).toEqual(runs);
  }
});

test("facets are merged by when they were told: the last stands, one that was deleted is gone", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const facet = { _producer: "https://example.com", _schemaURL: "https://example.com/schema.json" };
  const told = (second: number, facets: object) => ({
    eventTime: `2026-01-05T06:00:0${second}Z`,
    producer: "https://example.com",
    schemaURL: "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
    dataset: { ...lake, facets },
  });
  await registry.receiveLineage([
    told(3, { ownership: { ...facet, _deleted: true }, documentation: { ...facet, description: "newest" } }),
    told(1, { ownership: { ...facet, owners: [{ name: "ann" }] }, tags: { ...facet, tags: [] } }),
    told(2, { documentation: { ...facet, description: "older" } }),
  ]);
  expect(await registry.receivedDataset(lake)).toEqual({
    ...lake,
    facets: { tags: { ...facet, tags: [] }, documentation: { ...facet, description: "newest" } },
  });
  // A dataset of which nothing else is known stands by what describes it.
  const { nodes } = await registry.lineageGraph();
  expect(nodes.filter(({ entity }) => entity.id === openLineageId(lake))).toHaveLength(1);
  await registry.receiveLineage({
    eventTime: "2026-01-05T06:00:00Z",
    producer: "https://example.com",
    job: { namespace: "dbt", name: "model.late" },
    inputs: [lake],
    outputs: [{ ...scores, facets: { lifecycleStateChange: { ...facet, previousIdentifier: view } } }],
  });
  expect((await registry.explainPath(dataset(lake), dataset(scores)))?.edges).toHaveLength(2);
  expect((await registry.explainPath(dataset(view), dataset(scores)))?.edges).toHaveLength(1);
});

test("a version that is a content digest ties what others read and wrote to our own data", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const digest = digestOf("the file");
  const facet = { _producer: "https://example.com", _schemaURL: "https://example.com/schema.json" };
  const version = { ...facet, datasetVersion: digest };
  const [, start, , end] = nightly as [object, object, object, object];
  await registry.receiveLineage([start, { ...end, outputs: [{ ...lake, facets: { version } }] }]);
  const run = await registry.startRun({ experiment: "late", from: [{ kind: "dataset", id: digest, name: "flights" }] });
  const path = await registry.explainPath(dataset(raw), { kind: "run", id: run.id });
  expect(path?.edges).toHaveLength(3);
});

const [good] = nightly.slice(1) as unknown as [Record<string, unknown>];
const badRun = (run: unknown) => ({ ...good, run });
const bad: Readonly<Record<string, readonly [unknown, string]>> = {
  "no object": ["an event", "the event"],
  "a list in a list": [[], "the event"],
  "no time": [{ ...good, eventTime: undefined }, "eventTime"],
  "a time without a zone": [{ ...good, eventTime: "2026-01-05T06:00:00" }, "eventTime"],
  "a time that is none": [{ ...good, eventTime: "2026-13-45T06:00:00Z" }, "eventTime"],
  "no producer": [{ ...good, producer: 1 }, "producer"],
  "no job": [{ ...good, job: undefined }, "job"],
  "a job without a namespace": [{ ...good, job: { name: "nightly" } }, "job.namespace"],
  "a run that is no UUID": [badRun({ runId: "run 1" }), "run.runId"],
  "a run without an id": [badRun({}), "run.runId"],
  "an unknown type": [{ ...good, eventType: "STARTED" }, "eventType"],
  "inputs that are no list": [{ ...good, inputs: {} }, "inputs"],
  "a dataset without a name": [{ ...good, outputs: [{ namespace: "file" }] }, "outputs[0].name"],
  "too many datasets": [{ ...good, inputs: Array.from({ length: 10_001 }, () => raw) }, "inputs"],
  "a name without end": [{ ...good, inputs: [{ namespace: "file", name: "a".repeat(4001) }] }, "inputs[0].name"],
  "facets that are no object": [badRun({ runId: runIds.dag, facets: [] }), "run.facets"],
  "a facet that is a text": [badRun({ runId: runIds.dag, facets: { parent: "dag" } }), "run.facets.parent"],
  "a NUL": [{ ...good, inputs: [{ namespace: "file", name: "a\0b" }] }, "the event"],
  "half a surrogate pair": [{ ...good, inputs: [{ namespace: "file", name: "a\ud800" }] }, "the event"],
  "an event of ours without its data": [
    badRun({
      runId: runIds.dag,
      facets: { millwright_event: { id: "1", type: "run.started", time: good["eventTime"] } },
    }),
    "run.facets.millwright_event.data",
  ],
  "an entity of ours without an id": [
    {
      ...good,
      inputs: [{ ...raw, facets: { millwright_entity: { kind: "dataset" } } }],
    },
    "millwright_entity.id",
  ],
};

test("what is no event is refused with the place that is wrong, and nothing that was sent with it is kept", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  for (const [what, [event, place]] of Object.entries(bad)) {
    const refused = await registry.receiveLineage([...nightly, event]).catch((error: unknown) => error);
    expect(refused, what).toMatchObject({ code: "REGISTRY_OPENLINEAGE_INVALID" });
    expect(String(refused), what).toContain(`at ${place}: `);
    expect(String(refused).length, what).toBeLessThan(500);
  }
  expect(await workshop.events()).toEqual([]);
  expect(await registry.receivedRun(runIds.extract)).toBeUndefined();
  await expect(registry.receiveLineage(Array.from({ length: 10_001 }, () => good))).rejects.toMatchObject({
    code: "REGISTRY_OPENLINEAGE_INVALID",
  });
  // Names of facets and of prototypes are names like all others.
  const odd = JSON.parse(
    JSON.stringify({ ...good, inputs: [{ ...raw, facets: { constructor: { a: 1 } } }] }).replace(
      "constructor",
      "__proto__",
    ),
  ) as unknown;
  await registry.receiveLineage(odd);
  expect(JSON.stringify(await registry.receivedDataset(raw))).toContain("__proto__");
});

test("a file of events is read in, a line that a crash cut short is passed over, and reading it again changes nothing", async () => {
  await using workshop = await openWorkshop();
  const { registry, folder } = workshop;
  const path = join(folder, "events.ndjson");
  await writeFile(path, `${nightly.map((event) => JSON.stringify(event)).join("\n")}\n\n{"eventTime": "20`);
  expect(await importLineageFile(registry, path)).toEqual({ received: nightly.length, known: 0 });
  expect(await importLineageFile(registry, path)).toEqual({ received: 0, known: nightly.length });
  await appendFile(path, "\n{}\n");
  await expect(importLineageFile(registry, path)).rejects.toMatchObject({
    code: "REGISTRY_OPENLINEAGE_INVALID",
    message: expect.stringContaining("line 9 of ") as unknown,
  });
});
