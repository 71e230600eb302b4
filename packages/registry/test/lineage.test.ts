import {
  type Digest,
  type EntityReference,
  type EventId,
  type MillwrightEvent,
  createRandom,
  digestOf,
} from "@millwright/contracts";
import {
  type LineageAssociation,
  type LineageEdge,
  type LineageEntity,
  type LineageKind,
  type LineageQuery,
  type LineageReference,
  type LineageType,
  createLineageGraph,
} from "@millwright/registry";
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
    const twins = random.integer(8) === 0 ? { sameAs: [[...pick(0, size), entities[0], entities[1]].slice(0, 2)] } : {};
    const back = cycles && random.integer(4) === 0;
    return {
      specversion: "1.0",
      id: `${index}` as EventId,
      source: "test",
      type: "run.finished",
      time: new Date(random.integer(10) * dayMs).toISOString(),
      datacontenttype: "application/json",
      data: { ...(back ? { made: early, from: late } : { made: late, from: early }), ...twins },
    };
  });
  return { entities, events };
}

const same = (a: LineageEntity, b: LineageEntity): boolean => a.kind === b.kind && a.id === b.id;

interface Said {
  readonly made: LineageReference;
  readonly from: LineageReference;
  readonly association: LineageAssociation;
  readonly time: string;
}

/** What the events of a random graph say, by the table of the guide. */
function saidBy(events: readonly MillwrightEvent[]): Said[] {
  const formed = ["dataset", "artifact"];
  const between = (made: LineageEntity, from: LineageEntity): LineageAssociation => {
    if (made.kind === "run") return "ContributedTo";
    if (from.kind === "run") return "Produced";
    const derived = from.kind !== "code" && (made.kind === from.kind || formed.includes(made.kind));
    return derived ? "DerivedFrom" : "ContributedTo";
  };
  return events.flatMap(({ id, time, type, data }) => {
    const { made = [], from = [] } = data;
    const same = (data["sameAs"] ?? []) as [EntityReference, EntityReference][];
    const action = { kind: "action", id, name: type } as const;
    return [
      ...made.flatMap((each) => from.map((one) => ({ made: each, from: one, association: between(each, one), time }))),
      ...made
        .filter(() => from.length === 0)
        .map((each) => ({ made: each, from: action, association: "Produced", time }) as const),
      ...same.map(([one, other]) => ({ made: other, from: one, association: "SameAs", time }) as const),
    ];
  });
}

/** Distances by going over every statement again and again, until nothing new is reached. */
function distancesByHand(said: readonly Said[], start: EntityReference, query: LineageQuery): Map<string, number> {
  const { direction, depth = Infinity, kinds: wanted, types, sinceMs = -Infinity, beforeMs = Infinity } = query;
  const associations = query.associations ?? ["ContributedTo", "DerivedFrom", "Produced", "SameAs"];
  const distance = new Map<string, number>([[`${start.kind} ${start.id}`, 0]]);
  const steps = said
    .filter(({ time }) => Date.parse(time) >= sinceMs && Date.parse(time) < beforeMs)
    .filter(({ association }) => associations.includes(association))
    .flatMap(({ made, from, association }) => {
      const [up, down] = [`${made.kind} ${made.id}`, `${from.kind} ${from.id}`];
      const one = direction === "ancestors" ? [up, down] : [down, up];
      return association === "SameAs" ? [one, one.toReversed()] : [one];
    });
  for (let step = 1; step <= Math.min(depth, steps.length); step += 1)
    for (const [near, far] of steps as [string, string][])
      if (distance.get(near) === step - 1 && !distance.has(far)) distance.set(far, step);
  distance.delete(`${start.kind} ${start.id}`);
  const typeOf = (kind: string): string => ({ run: "run", action: "action" })[kind] ?? "artifact";
  return new Map(
    [...distance].filter(([key]) => {
      const kind = key.split(" ")[0] as LineageKind;
      return (wanted?.includes(kind) ?? true) && (types?.includes(typeOf(kind) as LineageType) ?? true);
    }),
  );
}

/** Each step of the path starts where the last one ended, and is said by an event. */
function expectPath(path: readonly LineageEdge[], start: EntityReference, end: LineageEntity, direction: string): void {
  let at: LineageEntity = start;
  for (const { made, from, association } of path) {
    const ends = direction === "ancestors" ? [made, from] : [from, made];
    const [near, far] = association === "SameAs" && !same(ends[0]!, at) ? ends.toReversed() : ends;
    expect(same(near!, at)).toBe(true);
    at = far!;
  }
  expect(same(at, end)).toBe(true);
}

test("MR-32: on random graphs, with cycles and without, queries agree with going over all events by hand", () => {
  let reached = 0;
  for (let seed = 1; seed <= 120; seed += 1) {
    const random = createRandom(1000 + seed);
    const graph = randomGraph(seed, seed % 2 === 0);
    const said = saidBy(graph.events);
    const lineage = createLineageGraph();
    for (const event of graph.events) lineage.add(event);
    // A log that is read twice says nothing new.
    for (const event of graph.events) lineage.add(event);
    for (const start of graph.entities.slice(0, 12)) {
      const query: LineageQuery = {
        direction: random.integer(2) === 0 ? "ancestors" : "descendants",
        depth: random.integer(3) === 0 ? 1 + random.integer(3) : undefined,
        kinds: random.integer(3) === 0 ? ["model", "dataset"] : undefined,
        types: random.integer(4) === 0 ? ["run", "action"] : undefined,
        associations: random.integer(3) === 0 ? ["DerivedFrom", "ContributedTo"] : undefined,
        sinceMs: random.integer(3) === 0 ? random.integer(5) * dayMs : undefined,
        beforeMs: random.integer(3) === 0 ? (5 + random.integer(5)) * dayMs : undefined,
      };
      const nodes = lineage.query(start, query);
      const distances = new Map(nodes.map(({ entity, distance }) => [`${entity.kind} ${entity.id}`, distance]));
      expect(distances).toEqual(distancesByHand(said, start, query));
      expect(distances.size).toBe(nodes.length);
      expect(nodes.map(({ distance }) => distance)).toEqual(
        nodes.map(({ distance }) => distance).toSorted((a, b) => a - b),
      );
      for (const { entity, distance, path } of nodes) {
        expect(path).toHaveLength(distance);
        expectPath(path, start, entity, query.direction);
      }
      const [end] = nodes.filter(() => query.kinds === undefined && query.types === undefined).slice(-1);
      if (end !== undefined && query.direction === "descendants") {
        const explained = lineage.explainPath(start, end.entity, query);
        expect(explained?.edges).toHaveLength(end.distance);
        expectPath(explained?.edges ?? [], start, end.entity, "descendants");
      }
      reached += nodes.length;
    }
  }
  expect(reached).toBeGreaterThan(2000);
});

test("MR-32: of a hundred thousand edges every one within reach is walked, and a way through is told in words", () => {
  const [layers, width, fan] = [100, 100, 10];
  const random = createRandom(7);
  const lineage = createLineageGraph();
  const at = (layer: number, index: number): EntityReference => ({ kind: "artifact", id: `${layer}/${index}` });
  const above = new Map<string, string[]>();
  for (let layer = 1; layer <= layers; layer += 1) {
    for (let index = 0; index < width; index += 1) {
      const from = Array.from({ length: fan }, (_, step) =>
        at(layer - 1, (index + step * 7 + random.integer(3)) % width),
      );
      const made = at(layer, index);
      above.set(
        made.id,
        from.map(({ id }) => id),
      );
      lineage.add({
        specversion: "1.0",
        id: made.id as EventId,
        source: "test",
        type: "run.finished",
        time: new Date(layer * dayMs).toISOString(),
        datacontenttype: "application/json",
        data: { made: [made], from },
      });
    }
  }
  expect(lineage.edges).toHaveLength(layers * width * fan);
  const start = at(layers, 3);
  const reached = new Set([start.id]);
  for (const id of reached) for (const each of above.get(id) ?? []) reached.add(each);
  const nodes = lineage.query(start, { direction: "ancestors" });
  expect(nodes.length).toBe(reached.size - 1);
  expect(nodes.length).toBeGreaterThan(9000);
  const path = lineage.explainPath(start, nodes.at(-1)!.entity);
  expect(path).toMatchObject({ direction: "ancestors" });
  expect(path?.steps).toHaveLength(layers);
  expect(path?.steps[0]).toMatch(/^artifact 99\/\d+ became artifact 100\/3 \(run\.finished, 1970-/);
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
