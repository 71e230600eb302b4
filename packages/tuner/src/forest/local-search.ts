import type { Random } from "@millwright/contracts";
import type { Dimension, Encoding } from "../samplers/encoding.ts";

/** A point of the cube and what it promises. */
export interface Candidate {
  readonly point: Float64Array;
  readonly score: number;
}

export interface Landscape {
  readonly encoding: Encoding;
  /** What a point promises; more is better. */
  readonly score: (point: Float64Array) => number;
  /** Whether it may be suggested; asked only of points better than those before. */
  readonly allows: (point: Float64Array) => boolean;
}

/**
 * From `start` to the best neighbour until none is better: Hutter et al., "Sequential Model-Based Optimization for General Algorithm Configuration" (SMAC),
 * LION 2011, section 4.3. Neighbours differ in one coordinate: every other choice; four normal steps of a number, or its neighbouring levels.
 */
export function climb(
  { encoding, score, allows }: Landscape,
  start: Candidate,
  mostSteps: number,
  random: Random,
): Candidate {
  let here = start;
  for (let step = 0; step < mostSteps; step += 1) {
    let best = here;
    for (const [index, dimension] of encoding.dimensions.entries()) {
      for (const value of neighbours(dimension, here.point[index] as number, random)) {
        const point = here.point.slice();
        point[index] = value;
        const reached = score(point);
        if (reached > best.score && allows(point)) best = { point, score: reached };
      }
    }
    if (best === here) return here;
    here = best;
  }
  return here;
}

const mostChoices = 12;

function neighbours({ kind, levels }: Dimension, value: number, random: Random): readonly number[] {
  if (kind === "continuous") {
    const steps = [0.2, 0.2, 0.05, 0.01];
    return steps.map((width) => Math.min(1, Math.max(0, value + width * random.normal())));
  }
  const level = Math.min(levels - 1, Math.floor(value * levels));
  const others = new Set<number>();
  if (kind === "categorical" && levels <= mostChoices)
    for (let other = 0; other < levels; other += 1) others.add(other);
  else if (kind === "categorical") while (others.size < mostChoices) others.add(random.integer(levels));
  else {
    others.add(level - 1).add(level + 1);
    for (let draw = 0; draw < 2; draw += 1) others.add(Math.round(level + 0.2 * levels * random.normal()));
  }
  others.delete(level);
  return [...others].filter((other) => other >= 0 && other < levels).map((other) => (other + 0.5) / levels);
}
