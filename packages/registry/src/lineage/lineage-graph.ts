import type { EntityReference, MillwrightEvent } from "@millwright/contracts";

/** What identifies an entity. */
export type LineageEntity = Pick<EntityReference, "kind" | "id">;

/** One step of lineage: `made` exists because of `from`, as `event` says. */
export interface LineageEdge {
  readonly made: EntityReference;
  readonly from: EntityReference;
  /** The event that says so. */
  readonly event: Pick<MillwrightEvent, "id" | "type" | "time">;
}

export interface LineageQuery {
  /** `ancestors`: what it was made from; `descendants`: what was made of it. */
  readonly direction: "ancestors" | "descendants";
  /** Most steps away. Default: any. */
  readonly depth?: number | undefined;
  /** Only entities of these kinds are given; the way to them may lead over others. Default: all. */
  readonly kinds?: readonly EntityReference["kind"][] | undefined;
  /** Only steps whose event happened at or after this time; UTC, milliseconds. Default: any. */
  readonly sinceMs?: number | undefined;
  /** Only steps whose event happened before this time; UTC, milliseconds. Default: any. */
  readonly beforeMs?: number | undefined;
}

export interface LineageNode {
  readonly entity: EntityReference;
  /** Steps from the entity asked about, the fewest there are. */
  readonly distance: number;
  /** The steps that lead there from the entity asked about; made when it is read. */
  readonly path: readonly LineageEdge[];
}

/** Everything that events say about what was made from what. */
export interface LineageGraph {
  /** Adds what an event says. An event is known by its id: adding it again changes nothing. */
  add(event: MillwrightEvent): void;
  /** Breadth first, each entity once, the nearest first; the entity itself is not among them. Cycles do no harm. */
  query(entity: LineageEntity, query: LineageQuery): readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
}

export function createLineageGraph(): LineageGraph {
  const seen = new Set<string>();
  const edges: LineageEdge[] = [];
  const byMade = new Map<string, LineageEdge[]>();
  const byFrom = new Map<string, LineageEdge[]>();
  return {
    edges,
    add({ id, type, time, data }) {
      if (seen.has(id)) return;
      seen.add(id);
      for (const made of data.made ?? []) {
        for (const from of data.from ?? []) {
          const edge: LineageEdge = { made, from, event: { id, type, time } };
          edges.push(edge);
          listOf(byMade, keyOf(made)).push(edge);
          listOf(byFrom, keyOf(from)).push(edge);
        }
      }
    },
    query: (entity, query) => walk(query.direction === "ancestors" ? byMade : byFrom, entity, query),
  };
}

/** An entity that was reached, by its last step. */
interface Reached {
  readonly key: string;
  readonly entity: EntityReference;
  readonly distance: number;
  readonly edge: LineageEdge;
  readonly previous: Reached | undefined;
}

function walk(
  steps: ReadonlyMap<string, readonly LineageEdge[]>,
  start: LineageEntity,
  query: LineageQuery,
): LineageNode[] {
  const { direction, depth = Number.POSITIVE_INFINITY, kinds } = query;
  const known = new Set([keyOf(start)]);
  const queue: Reached[] = [];
  const visit = (key: string, distance: number, previous: Reached | undefined): void => {
    if (distance >= depth) return;
    for (const edge of steps.get(key) ?? []) {
      const entity = direction === "ancestors" ? edge.from : edge.made;
      const other = keyOf(entity);
      if (known.has(other) || !isWithin(edge, query)) continue;
      known.add(other);
      queue.push({ key: other, entity, distance: distance + 1, edge, previous });
    }
  };
  visit(keyOf(start), 0, undefined);
  // The queue grows while it is walked.
  for (const reached of queue) visit(reached.key, reached.distance, reached);
  return queue.filter(({ entity }) => kinds === undefined || kinds.includes(entity.kind)).map(toNode);
}

function isWithin({ event }: LineageEdge, { sinceMs, beforeMs }: LineageQuery): boolean {
  if (sinceMs === undefined && beforeMs === undefined) return true;
  const timeMs = Date.parse(event.time);
  return timeMs >= (sinceMs ?? Number.NEGATIVE_INFINITY) && timeMs < (beforeMs ?? Number.POSITIVE_INFINITY);
}

/** The path is made on demand: of a long chain all paths together would be as large as its length squared. */
const toNode = (reached: Reached): LineageNode => ({
  entity: reached.entity,
  distance: reached.distance,
  get path() {
    const path: LineageEdge[] = [];
    for (let at: Reached | undefined = reached; at !== undefined; at = at.previous) path.push(at.edge);
    return path.toReversed();
  },
});

const keyOf = ({ kind, id }: LineageEntity): string => `${kind} ${id}`;

function listOf<Value>(map: Map<string, Value[]>, key: string): Value[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}
