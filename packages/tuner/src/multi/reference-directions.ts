/**
 * All points of the unit simplex whose coordinates are multiples of 1/divisions: C(objectives + divisions − 1, divisions) of them.
 * Das and Dennis 1998, SIAM Journal on Optimization 8.
 */
export function referenceDirections(objectives: number, divisions: number): number[][] {
  for (const [name, value] of Object.entries({ objectives, divisions })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`"${name}" of reference directions is a whole number from 1, not ${value}.`);
  }
  const directions: number[][] = [];
  const extend = (start: readonly number[], left: number): void => {
    if (start.length === objectives - 1) {
      directions.push([...start, left].map((share) => share / divisions));
      return;
    }
    for (let share = 0; share <= left; share += 1) extend([...start, share], left - share);
  };
  extend([], divisions);
  return directions;
}

/** The most divisions, from 1, that give at most `count` directions. */
export function divisionsFor(objectives: number, count: number): number {
  let divisions = 1;
  let directions = objectives;
  while (objectives > 1) {
    // C(objectives + divisions, divisions + 1) from C(objectives + divisions − 1, divisions).
    const next = (directions * (objectives + divisions)) / (divisions + 1);
    if (next > count) return divisions;
    directions = next;
    divisions += 1;
  }
  return 1;
}
