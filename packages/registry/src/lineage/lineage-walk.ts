import type { LineageEdge, LineageNode, LineageQuery } from "./lineage-graph.ts";
import { type LineageReference, typeOf } from "./lineage-types.ts";

/** An entity with the edges above it, where it is what was made, and below it. */
export interface Knot {
  readonly entity: { -readonly [Key in keyof LineageReference]: LineageReference[Key] };
  readonly up: Line[];
  readonly down: Line[];
}

/** An edge with its ends: what was made, and what from. */
export interface Line extends LineageEdge {
  readonly ends: readonly [Knot, Knot];
  readonly timeMs: number;
}

export type Walk = LineageQuery & Required<Pick<LineageQuery, "associations">>;

/** An entity that was reached, by its last step. */
interface Reached {
  readonly knot: Knot;
  readonly distance: number;
  readonly line: Line;
  readonly previous: Reached | undefined;
}

/** Breadth first; what is asked for, without the start. */
export function walk(start: Knot | undefined, query: Walk): LineageNode[] {
  if (start === undefined) return [];
  const { kinds, types } = query;
  const nodes: LineageNode[] = [];
  for (const reached of reach(start, undefined, query)) {
    const { entity } = reached.knot;
    if ((kinds?.includes(entity.kind) ?? true) && (types?.includes(typeOf(entity)) ?? true))
      nodes.push(toNode(reached));
  }
  return nodes;
}

/** The steps of a shortest way; none where both are one. */
export function walkTo(
  start: Knot | undefined,
  end: Knot | undefined,
  query: Walk,
): readonly LineageEdge[] | undefined {
  if (start === undefined || end === undefined) return undefined;
  if (start === end) return [];
  const last = reach(start, end, query).at(-1);
  return last?.knot === end ? pathOf(last) : undefined;
}

/** Everything within reach, the nearest first; it stops where it reaches `end`. */
function reach(start: Knot, end: Knot | undefined, query: Walk): Reached[] {
  const { direction, depth = Number.POSITIVE_INFINITY } = query;
  const known = new Set([start]);
  const queue: Reached[] = [];
  const within = filterOf(query);
  /** @returns whether the end is reached. */
  const visit = (knot: Knot, distance: number, previous: Reached | undefined): boolean => {
    if (distance >= depth) return false;
    for (const line of direction === "ancestors" ? knot.up : knot.down) {
      const [made, from] = line.ends;
      const other = made === knot ? from : made;
      if (known.has(other) || !within(line)) continue;
      known.add(other);
      queue.push({ knot: other, distance: distance + 1, line, previous });
      if (other === end) return true;
    }
    return false;
  };
  if (visit(start, 0, undefined)) return queue;
  // The queue grows while it is walked.
  for (const reached of queue) if (visit(reached.knot, reached.distance, reached)) break;
  return queue;
}

function filterOf({ associations, sinceMs, beforeMs }: Walk): (line: Line) => boolean {
  const wanted = new Set(associations);
  const [since, before] = [sinceMs ?? Number.NEGATIVE_INFINITY, beforeMs ?? Number.POSITIVE_INFINITY];
  return ({ association, timeMs }) => wanted.has(association) && timeMs >= since && timeMs < before;
}

function pathOf(reached: Reached): readonly LineageEdge[] {
  const path: LineageEdge[] = [];
  for (let at: Reached | undefined = reached; at !== undefined; at = at.previous) path.push(edgeOf(at.line));
  return path.toReversed();
}

const edgeOf = ({ made, from, association, event }: Line): LineageEdge => ({ made, from, association, event });

/** The path is made on demand: of a long chain all paths together would be as large as its length squared. */
const toNode = (reached: Reached): LineageNode => ({
  entity: reached.knot.entity,
  type: typeOf(reached.knot.entity),
  distance: reached.distance,
  get path() {
    return pathOf(reached);
  },
});
