import { type CallOptions, type ModelManifest, abortable } from "@millwright/contracts";
import { type Database, openEventLog, sql } from "@millwright/storage";
import { madeFrom } from "../models/version-writes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import {
  type LineageEdge,
  type LineageGraph,
  type LineageNode,
  type LineagePath,
  type LineageQuery,
  createLineageGraph,
} from "./lineage-graph.ts";
import { type FeatureCatalog, createFeatureCatalog } from "./feature-lineage.ts";
import { type LineageEntity, type LineageReference, type LineageType, associationOf } from "./lineage-types.ts";

/** Lineage as a whole, in the order in which it was told. */
export interface LineageSnapshot {
  /** Each has at least one edge. */
  readonly nodes: readonly { readonly entity: LineageReference; readonly type: LineageType }[];
  readonly edges: readonly LineageEdge[];
}

/** What was made from what, read off the events of every package that writes to this database, and off the manifests of versions. */
export interface LineageRecords {
  /** What an entity was made from, or what was made of it. */
  lineage(entity: LineageEntity, query: LineageQuery & CallOptions): Promise<readonly LineageNode[]>;
  /** The shortest way from one entity to another, downwards or else upwards, in words; `undefined` where there is none. */
  explainPath(
    from: LineageEntity,
    to: LineageEntity,
    query?: Omit<LineageQuery, "direction" | "kinds" | "types"> & CallOptions,
  ): Promise<LineagePath | undefined>;
  lineageGraph(options?: CallOptions): Promise<LineageSnapshot>;
  /** Reads everything anew, from the first event on. Nothing depends on it: the graph is nowhere but in memory. */
  rebuildLineage(options?: CallOptions): Promise<LineageSnapshot>;
}

/** What the log says as far as it goes. */
export interface LineageView {
  readonly graph: LineageGraph;
  readonly features: FeatureCatalog;
}

export interface LineageState {
  (options?: CallOptions): Promise<LineageView>;
  /** The next question reads everything anew. */
  forget(): void;
}

/** Follows the log as far as it goes at each question; what it holds is a projection that can be made anew at any time. */
export function createLineageState(database: Database<RegistryTables>): LineageState {
  const log = openEventLog(database);
  const fresh = () => ({ graph: createLineageGraph(), features: createFeatureCatalog(), after: 0 });
  let state = fresh();
  let turn: Promise<unknown> = Promise.resolve();
  const catchUp = async (): Promise<LineageView> => {
    const at = state;
    const isFirst = at.after === 0;
    for await (const { cursor, event } of log.read({ after: at.after })) {
      at.graph.add(event);
      at.features.add(event);
      at.after = cursor;
    }
    // After the log: what an event tells, no manifest tells again.
    if (isFirst) await addManifests(at.graph, database);
    return at;
  };
  const follow = async ({ signal }: CallOptions = {}): Promise<LineageView> => {
    signal?.throwIfAborted();
    const next = turn.then(catchUp, catchUp);
    turn = next.catch(() => undefined);
    return abortable(next, signal);
  };
  return Object.assign(follow, {
    forget() {
      state = fresh();
    },
  });
}

/** Versions whose registration no event tells of: an older release wrote them, or they came from another log. */
async function addManifests(graph: LineageGraph, { read }: Database<RegistryTables>): Promise<void> {
  const rows = await read
    .selectFrom("registry_versions")
    .select(["model", "version", "digest", "run", "manifest", "created_ms"])
    .where("deleted_ms", "is", null)
    .where(
      sql<boolean>`not exists (select 1 from registry_events
        where subject = registry_versions.model || '/' || registry_versions.version)`,
    )
    .orderBy("created_ms")
    .execute();
  for (const { model, version, digest, run, manifest, created_ms } of rows) {
    const made: LineageReference = { kind: "model", id: digest, name: `${model}/${version}` };
    const event = {
      id: made.name as string,
      type: "model.registered",
      time: new Date(created_ms).toISOString(),
    } as const;
    for (const from of madeFrom(JSON.parse(manifest) as ModelManifest, run ?? undefined))
      graph.addStatement({ made, from, association: associationOf(made, from) }, event);
  }
}

export function createLineageRecords(state: LineageState): LineageRecords {
  const snapshot = ({ nodes, edges }: LineageGraph): LineageSnapshot => ({
    nodes,
    edges: edges.map(({ made, from, association, event }) => ({ made, from, association, event })),
  });
  return {
    lineage: async (entity, { signal, ...query }) => (await state({ signal })).graph.query(entity, query),
    explainPath: async (from, to, { signal, ...query } = {}) =>
      (await state({ signal })).graph.explainPath(from, to, query),
    lineageGraph: async (options) => snapshot((await state(options)).graph),
    async rebuildLineage(options) {
      state.forget();
      return snapshot((await state(options)).graph);
    },
  };
}
