import type { EntityReference, MillwrightEvent } from "@millwright/contracts";
import type { Effect } from "./rank-causes.ts";

/** How near an event is to an effect. */
export interface Kin {
  readonly nats: number;
  readonly because: string;
}

export interface Kinship {
  of(event: MillwrightEvent): Kin;
}

/** Nats by steps of lineage from the effect: itself, what it was made from, and so on. */
const byDistance = [3, 2.5, 2, 1.5, 1];
const stranger: Kin = { nats: -3, because: "Nothing that is known ties its subject to the effect." };

/** Reads off the events what was made from what, and how far each thing is from the effect's endpoint, variant and columns. */
export function createKinship(
  effect: Effect,
  events: readonly MillwrightEvent[],
  upstream: ((column: string) => readonly string[]) | undefined,
): Kinship {
  const edges = new Map<string, Set<string>>();
  const tie = (made: string, from: string): void => {
    if (made !== from) edges.set(made, (edges.get(made) ?? new Set()).add(from));
  };
  for (const { subject, data } of events) {
    const made = [...(subject === undefined ? [] : [subject]), ...namesOf(data.made)];
    for (const name of made) {
      for (const from of namesOf(data.from)) tie(name, from);
      // A subject and what it made are one thing under two names.
      for (const other of made) tie(name, other);
    }
  }
  const roots = rootsOf(effect, events, upstream);
  const distances = walk(roots, edges);
  return {
    of(event) {
      const names = [...(event.subject === undefined ? [] : [event.subject]), ...namesOf(event.data.made)];
      const near = names
        .map((name) => ({ name, distance: distances.get(name) }))
        .filter((each): each is { name: string; distance: number } => each.distance !== undefined)
        .toSorted((a, b) => a.distance - b.distance)[0];
      if (near === undefined) return stranger;
      const nats = byDistance[Math.min(near.distance, byDistance.length - 1)] as number;
      const because =
        near.distance === 0
          ? `It is about "${near.name}" itself.`
          : `"${near.name}" is ${near.distance} step${near.distance === 1 ? "" : "s"} of lineage away.`;
      return { nats, because };
    },
  };
}

function namesOf(references: unknown): readonly string[] {
  if (!Array.isArray(references)) return [];
  return (references as readonly Partial<EntityReference>[]).flatMap(({ id, name }) =>
    [id, name].filter((each): each is string => typeof each === "string"),
  );
}

/** The names that the effect itself has: its endpoint, or where features drifted, what they are made from. */
function rootsOf(
  { subject, kind, columns = [] }: Effect,
  events: readonly MillwrightEvent[],
  upstream: ((column: string) => readonly string[]) | undefined,
): readonly string[] {
  const [, endpoint = subject] = /^endpoint\/([^/]+)/.exec(subject) ?? [];
  const own = [subject, endpoint];
  const feeding =
    upstream === undefined ? columns.flatMap((column) => viewsWith(column, events)) : columns.flatMap(upstream);
  return kind === "latency" || kind === "errors" ? own : [...own, ...columns, ...feeding];
}

/** Feature views and services whose events name the column among their features. */
function viewsWith(column: string, events: readonly MillwrightEvent[]): readonly string[] {
  return events
    .filter(({ type, data }) => type.startsWith("feature.") && mentions(data["features"], column))
    .flatMap(({ subject, data }) => [...(subject === undefined ? [] : [subject]), ...namesOf(data.made)]);
}

function mentions(features: unknown, column: string): boolean {
  if (Array.isArray(features)) return features.some((each) => each === column || mentions(each, column));
  if (typeof features !== "object" || features === null) return false;
  return Object.entries(features).some(([key, value]) => key === column || value === column || mentions(value, column));
}

function walk(roots: readonly string[], edges: ReadonlyMap<string, ReadonlySet<string>>): ReadonlyMap<string, number> {
  const distances = new Map<string, number>(roots.map((name) => [name, 0]));
  let front = [...distances.keys()];
  for (let distance = 1; front.length > 0; distance += 1) {
    front = front.flatMap((name) => [...(edges.get(name) ?? [])]).filter((name) => !distances.has(name));
    for (const name of front) distances.set(name, distance);
  }
  return distances;
}
