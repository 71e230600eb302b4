import type { MillwrightEvent } from "@millwright/contracts";
import {
  type LineageAssociation,
  type LineageEntity,
  type LineageKind,
  type LineageReference,
  type LineageType,
  type Statement,
  saidBy,
  statementsOf,
  typeOf,
} from "./lineage-types.ts";
import { type Knot, type Line, type Walk, walk, walkTo } from "./lineage-walk.ts";

/** One step of lineage: `made` exists because of `from`, or has to do with it, as `event` says. */
export interface LineageEdge {
  readonly made: LineageReference;
  readonly from: LineageReference;
  readonly association: LineageAssociation;
  /** The event that says so; of what only a manifest says, the version instead of an id. */
  readonly event: Pick<MillwrightEvent, "type" | "time"> & { readonly id: string };
}

export interface LineageQuery {
  /** `ancestors`: what it was made from; `descendants`: what was made of it. */
  readonly direction: "ancestors" | "descendants";
  /** Most steps away. Default: any. */
  readonly depth?: number | undefined;
  /** Only entities of these kinds are given; the way to them may lead over others. Default: all. */
  readonly kinds?: readonly LineageKind[] | undefined;
  /** Only entities of these types are given; the way to them may lead over others. Default: all. */
  readonly types?: readonly LineageType[] | undefined;
  /** Only steps of these types. Default: all but `AssociatedWith`, which tells what has to do with each other and not what comes from what. */
  readonly associations?: readonly LineageAssociation[] | undefined;
  /** Only steps whose event happened at or after this time; UTC, milliseconds. Default: any. */
  readonly sinceMs?: number | undefined;
  /** Only steps whose event happened before this time; UTC, milliseconds. Default: any. */
  readonly beforeMs?: number | undefined;
}

export interface LineageNode {
  readonly entity: LineageReference;
  readonly type: LineageType;
  /** Steps from the entity asked about, the fewest there are. */
  readonly distance: number;
  /** The steps that lead there from the entity asked about; made when it is read. */
  readonly path: readonly LineageEdge[];
}

/** How one entity leads to another. */
export interface LineagePath {
  /** Whether `to` was made of `from`, or `from` of `to`. */
  readonly direction: "ancestors" | "descendants";
  /** From the one to the other, the fewest there are. */
  readonly edges: readonly LineageEdge[];
  /** A sentence for each. */
  readonly steps: readonly string[];
}

/** Everything that events say about what was made from what. */
export interface LineageGraph {
  /** Adds what an event says. An event is known by its id: adding it again changes nothing. */
  add(event: MillwrightEvent): void;
  /** Adds what something else than an event says, unless it is known. */
  addStatement(statement: Statement, event: LineageEdge["event"]): void;
  /** Breadth first, each entity once, the nearest first; the entity itself is not among them. Cycles do no harm. */
  query(entity: LineageEntity, query: LineageQuery): readonly LineageNode[];
  /** The shortest way from one entity to another, downwards or else upwards; `undefined` where there is none. */
  explainPath(
    from: LineageEntity,
    to: LineageEntity,
    query?: Omit<LineageQuery, "direction" | "kinds" | "types">,
  ): LineagePath | undefined;
  /** Every entity, each with at least one edge. */
  readonly nodes: readonly { readonly entity: LineageReference; readonly type: LineageType }[];
  readonly edges: readonly LineageEdge[];
}

const followed: readonly LineageAssociation[] = ["ContributedTo", "DerivedFrom", "Produced", "SameAs"];

export function createLineageGraph(): LineageGraph {
  const seen = new Set<string>();
  const { knots, edges, knows, link } = createKnots();
  const find = (entity: LineageEntity): Knot | undefined => knots.get(keyOf(entity));
  return {
    edges,
    get nodes() {
      return [...knots.values()].map(({ entity }) => ({ entity, type: typeOf(entity) }));
    },
    add(whole) {
      const event = saidBy(whole);
      if (seen.has(event.id)) return;
      seen.add(event.id);
      const { id, type, time } = event;
      for (const statement of statementsOf(event)) link(statement, { id, type, time });
    },
    addStatement(statement, event) {
      if (!knows(statement)) link(statement, event);
    },
    query: (entity, { associations = followed, ...rest }) => walk(find(entity), { ...rest, associations }),
    explainPath(from, to, { associations = followed, ...rest } = {}) {
      for (const direction of ["descendants", "ancestors"] as const) {
        const options: Walk = { ...rest, associations, direction };
        const path = walkTo(find(from), find(to), options);
        if (path !== undefined) return { direction, edges: path, steps: path.map(tell) };
      }
      return undefined;
    },
  };
}

/** The entities by their keys, tied together by what is said of them. */
function createKnots(): {
  readonly knots: ReadonlyMap<string, Knot>;
  readonly edges: readonly Line[];
  knows(statement: Statement): boolean;
  link(statement: Statement, event: LineageEdge["event"]): void;
} {
  const known = new Set<string>();
  const knots = new Map<string, Knot>();
  const byDigest = new Map<string, Knot>();
  const edges: Line[] = [];
  const link = (statement: Statement, event: LineageEdge["event"]): void => {
    const { association } = statement;
    const [made, from] = [knotOf(statement.made, event), knotOf(statement.from, event)];
    const timeMs = Date.parse(event.time);
    const line: Line = { made: made.entity, from: from.entity, association, event, ends: [made, from], timeMs };
    edges.push(line);
    known.add(sayingOf(statement));
    made.up.push(line);
    from.down.push(line);
    if (association !== "SameAs") return;
    made.down.push(line);
    from.up.push(line);
  };
  const knotOf = (entity: LineageReference, event: LineageEdge["event"]): Knot => {
    const key = keyOf(entity);
    const there = knots.get(key);
    if (there !== undefined) {
      if (there.entity.name === undefined && entity.name !== undefined) there.entity.name = entity.name;
      return there;
    }
    const { kind, id, name } = entity;
    const knot: Knot = { entity: { kind, id, ...(name === undefined ? {} : { name }) }, up: [], down: [] };
    knots.set(key, knot);
    const twin = isContent(entity) ? byDigest.get(id) : undefined;
    if (twin !== undefined) link({ made: entity, from: twin.entity, association: "SameAs" }, event);
    else if (isContent(entity)) byDigest.set(id, knot);
    return knot;
  };
  return { knots, edges, knows: (statement) => known.has(sayingOf(statement)), link };
}

const sayingOf = ({ made, from, association }: Statement): string => `${association}\n${keyOf(made)}\n${keyOf(from)}`;

/** Two kinds of one digest are one content: a run's artifact that another run reads as a dataset. */
const isContent = ({ kind, id }: LineageEntity): boolean =>
  id.startsWith("sha256:") && (kind === "dataset" || kind === "artifact" || kind === "model");

const called = ({ kind, id, name }: LineageReference): string => `${kind} ${name ?? id}`;

const words: Readonly<Record<LineageAssociation, string>> = {
  ContributedTo: "contributed to",
  AssociatedWith: "is associated with",
  DerivedFrom: "became",
  Produced: "produced",
  SameAs: "is the same as",
};

const tell = ({ made, from, association, event }: LineageEdge): string =>
  `${called(from)} ${words[association]} ${called(made)} (${event.type}, ${event.time})`;

const keyOf = ({ kind, id }: LineageEntity): string => `${kind} ${id}`;
