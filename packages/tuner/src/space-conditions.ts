import type { Choice, Condition, Params, Space } from "./space.ts";

/** Whether the parameter has a value beside these: all of its conditions hold. */
export function isActive(space: Space, name: string, params: Params): boolean {
  const conditions = space[name]?.conditions;
  return conditions === undefined || conditions.every((condition) => holds(condition, params));
}

function holds({ parameter, values, atLeast, atMost }: Condition, params: Params): boolean {
  const parent = params[parameter];
  if (parent === undefined) return false;
  if (values !== undefined) return values.includes(parent as Choice);
  if (typeof parent !== "number") return false;
  return (atLeast === undefined || parent >= atLeast) && (atMost === undefined || parent <= atMost);
}

const orders = new WeakMap<Space, readonly string[]>();

/** The parameters' names, parents before children, otherwise in the order of the space. Those of a cycle are absent: `validateSpace` refuses them. */
export function parentsFirst(space: Space): readonly string[] {
  const known = orders.get(space);
  if (known !== undefined) return known;
  const order: string[] = [];
  const placed = new Set<string>();
  let waiting = Object.keys(space);
  while (waiting.length > 0) {
    const later: string[] = [];
    for (const name of waiting) {
      const ready = (space[name]?.conditions ?? []).every(({ parameter }) => placed.has(parameter));
      if (!ready) later.push(name);
      else {
        placed.add(name);
        order.push(name);
      }
    }
    if (later.length === waiting.length) break;
    waiting = later;
  }
  orders.set(space, order);
  return order;
}

/** Builds values from parents to children, asking for those that are active. @returns them in the space's order. */
export function fillActive(space: Space, valueOf: (name: string) => Params[string]): Params {
  if (!hasConditions(space)) return Object.fromEntries(Object.keys(space).map((name) => [name, valueOf(name)]));
  const filled: Record<string, Params[string]> = {};
  for (const name of parentsFirst(space)) if (isActive(space, name, filled)) filled[name] = valueOf(name);
  return Object.fromEntries(
    Object.keys(space).flatMap((name) => (filled[name] === undefined ? [] : [[name, filled[name]]])),
  );
}

export function hasConditions(space: Space): boolean {
  return Object.values(space).some(({ conditions }) => conditions !== undefined);
}
