import {
  type Digest,
  type EntityReference,
  type EventId,
  type MillwrightEvent,
  createRandom,
  digestOf,
} from "@millwright/contracts";
import { type LineageEdge, type LineageQuery, createLineageGraph } from "@millwright/registry";
import { openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { openWorkshop } from "./workshop.ts";

const kinds = ["dataset", "run", "model", "artifact", "code"] as const;
const dayMs = 86_400_000;

interface RandomGraph {
  readonly entities: readonly EntityReference[];
  readonly events: readonly MillwrightEvent[];
}

/** Events whose `made` come after their `from` in the order of the entities; with `cycles`, some go back. */
function randomGraph(seed: number, cycles: boolean): RandomGraph {
  const random = createRandom(seed);
  const size = 5 + random.integer(60);
  const entities = Array.from({ length: size }, (_, index): EntityReference => {
    const kind = kinds[random.integer(kinds.length)] as EntityReference["kind"];
    return { kind, id: `e${index}` };
  });
  const events = Array.from({ length: random.integer(3 * size) }, (_, index): MillwrightEvent => {
    const cut = 1 + random.integer(size - 1);
    const pick = (start: number, end: number): EntityReference[] =>
      Array.from({ length: random.integer(3) }, () => entities[start + random.integer(end - start)] as EntityReference);
    const [early, late] = [pick(0, cut), pick(cut, size)];
    const back = cycles && random.integer(4) === 0;
    return {
      specversion: "1.0",
      id: `${index}` as EventId,
      source: "test",
      type: "run.finished",
      time: new Date(random.integer(10) * dayMs).toISOString(),
      datacontenttype: "application/json",
      data: back ? { made: early, from: late } : { made: late, from: early },
    };
  });
  return { entities, events };
}

const same = (a: EntityReference, b: EntityReference): boolean => a.kind === b.kind && a.id === b.id;

/** Distances by going over every event again and again, until nothing new is reached. */
function distancesByHand(
  { entities, events }: RandomGraph,
  start: EntityReference,
  query: LineageQuery,
): Map<string, number> {
  const { direction, depth = Infinity, kinds: wanted, sinceMs = -Infinity, beforeMs = Infinity } = query;
  const distance = new Map<EntityReference, number>([[start, 0]]);
  for (let step = 1; step <= Math.min(depth, entities.length); step += 1) {
    for (const { time, data } of events) {
      if (Date.parse(time) < sinceMs || Date.parse(time) >= beforeMs) continue;
      const [near, far] = direction === "ancestors" ? [data.made, data.from] : [data.from, data.made];
      if (!near?.some((entity) => distance.get(entity) === step - 1)) continue;
      for (const entity of far ?? []) if (!distance.has(entity)) distance.set(entity, step);
    }
  }
  distance.delete(start);
  const kept = [...distance].filter(([{ kind }]) => wanted?.includes(kind) ?? true);
  return new Map(kept.map(([{ kind, id }, steps]) => [`${kind} ${id}`, steps]));
}

/** Each step of the path starts where the last one ended, and is said by an event. */
function expectPath(
  path: readonly LineageEdge[],
  start: EntityReference,
  end: EntityReference,
  direction: string,
): void {
  let at = start;
  for (const { made, from } of path) {
    const [near, far] = direction === "ancestors" ? [made, from] : [from, made];
    expect(same(near, at)).toBe(true);
    at = far;
  }
  expect(same(at, end)).toBe(true);
}

test("on random graphs, with cycles and without, queries agree with going over all events by hand", () => {
  let reached = 0;
  for (let seed = 1; seed <= 120; seed += 1) {
    const random = createRandom(1000 + seed);
    const graph = randomGraph(seed, seed % 2 === 0);
    const lineage = createLineageGraph();
    for (const event of graph.events) lineage.add(event);
    // A log that is read twice says nothing new.
    for (const event of graph.events) lineage.add(event);
    for (const start of graph.entities.slice(0, 12)) {
      const query: LineageQuery = {
        direction: random.integer(2) === 0 ? "ancestors" : "descendants",
        depth: random.integer(3) === 0 ? 1 + random.integer(3) : undefined,
        kinds: random.integer(3) === 0 ? ["model", "dataset"] : undefined,
        sinceMs: random.integer(3) === 0 ? random.integer(5) * dayMs : undefined,
        beforeMs: random.integer(3) === 0 ? (5 + random.integer(5)) * dayMs : undefined,
      };
      const nodes = lineage.query(start, query);
      const distances = new Map(nodes.map(({ entity, distance }) => [`${entity.kind} ${entity.id}`, distance]));
      expect(distances).toEqual(distancesByHand(graph, start, query));
      expect(distances.size).toBe(nodes.length);
      expect(nodes.map(({ distance }) => distance)).toEqual(
        nodes.map(({ distance }) => distance).toSorted((a, b) => a - b),
      );
      for (const { entity, distance, path } of nodes) {
        expect(path).toHaveLength(distance);
        expectPath(path, start, entity, query.direction);
      }
      reached += nodes.length;
    }
  }
  expect(reached).toBeGreaterThan(2000);
});

test("a chain of 50,000 steps is walked to its end, and its path is whole", () => {
  const lineage = createLineageGraph();
  const length = 50_000;
  for (let index = 0; index < length; index += 1) {
    lineage.add({
      specversion: "1.0",
      id: `${index}` as EventId,
      source: "test",
      type: "run.finished",
      time: "2026-01-01T00:00:00.000Z",
      datacontenttype: "application/json",
      data: { made: [{ kind: "artifact", id: `${index + 1}` }], from: [{ kind: "artifact", id: `${index}` }] },
    });
  }
  const nodes = lineage.query({ kind: "artifact", id: "0" }, { direction: "descendants" });
  expect(nodes).toHaveLength(length);
  expect(nodes.at(-1)?.path).toHaveLength(length);
  expect(lineage.query({ kind: "artifact", id: `${length}` }, { direction: "ancestors", depth: 3 })).toHaveLength(3);
});

test("from a dataset to the versions made of it, and from a version to everything it was made from", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  const [train, other, code] = [digestOf("train"), digestOf("other"), digestOf("code")];
  const dataset = { kind: "dataset", id: train, name: "train" } as const;
  const run = await registry.startRun({ experiment: "late", from: [dataset] });
  const plot = await run.logArtifact("roc.json", new TextEncoder().encode("{}"));
  await run.end("finished");
  const provenance = { datasets: { validation: other }, code, runId: run.id };
  const { digest } = await registry.register("late", await pack("one", provenance));
  await registry.register("early", await pack("unrelated"));

  const descendants = await registry.lineage(dataset, { direction: "descendants" });
  expect(descendants.map(({ entity, distance }) => [entity.kind, entity.id, distance])).toEqual([
    ["run", run.id, 1],
    ["artifact", plot, 2],
    ["model", digest, 2],
  ]);
  expect(descendants[2]?.entity.name).toBe("late/1");
  expect(descendants[2]?.path.map(({ event }) => event.type)).toEqual(["run.started", "model.registered"]);

  const ancestors = await registry.lineage({ kind: "model", id: digest }, { direction: "ancestors" });
  const found = ancestors.map(({ entity, distance }) => [entity.kind, entity.id, distance]);
  expect(found).toEqual([
    ["dataset", other, 1],
    ["code", code, 1],
    ["run", run.id, 1],
    ["dataset", train, 2],
  ]);
  const datasets = await registry.lineage(
    { kind: "model", id: digest },
    { direction: "ancestors", kinds: ["dataset"] },
  );
  expect(datasets.map(({ entity }) => entity.id)).toEqual([other, train]);
});

test("lineage follows what other packages write to the same log, at each question anew", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  const dataset = { kind: "dataset", id: digestOf("raw") } as const;
  const view = { kind: "feature-view", id: digestOf("view") as Digest, name: "flights" } as const;
  const ask = async () => (await registry.lineage(dataset, { direction: "descendants" })).map(({ entity }) => entity);
  expect(await ask()).toEqual([]);
  const log = openEventLog(database);
  await log.append([{ source: "feature-store", type: "feature.ingested", data: { made: [view], from: [dataset] } }]);
  expect(await ask()).toEqual([view]);
  const run = await registry.startRun({ experiment: "late", from: [view] });
  const asked = await Promise.all([ask(), ask(), ask()]);
  for (const entities of asked) expect(entities).toEqual([view, { kind: "run", id: run.id, name: run.id }]);
});
