import { type Losses, frontIndices } from "./domination.ts";

/** Boxes that share no inside and together fill a region: box i spans, in objective j, `lower[i * objectives + j]` to `upper[i * objectives + j]`. */
export interface Boxes {
  readonly count: number;
  readonly objectives: number;
  /** May be -Infinity. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

type Box = readonly [lower: readonly number[], upper: readonly number[]];

/**
 * The region better than `reference` that no point dominates, as boxes without overlap.
 *
 * Two objectives: n + 1 strips. Three: 2n + 1 boxes, by a sweep over the third (Yang, Emmerich, Deutz and Bäck 2019, Journal of Global Optimization 75).
 * More: each point splits the boxes that it cuts; at most as many pieces as objectives each.
 */
export function nonDominatedBoxes(points: readonly Losses[], reference: readonly number[]): Boxes {
  const objectives = reference.length;
  const inside = points.filter((point) => reference.every((bound, objective) => (point[objective] as number) < bound));
  const front = frontIndices(inside).map((index) => Array.from(inside[index] as Losses));
  const boxes =
    objectives === 2
      ? strips(front, reference)
      : objectives === 3
        ? sweptBoxes(front, reference)
        : splitBoxes(front, reference);
  const lower = new Float64Array(boxes.length * objectives);
  const upper = new Float64Array(boxes.length * objectives);
  for (const [index, [from, to]] of boxes.entries()) {
    lower.set(from, index * objectives);
    upper.set(to, index * objectives);
  }
  return { count: boxes.length, objectives, lower, upper };
}

/** `front` by growing first objective, so by falling second. */
function strips(front: readonly (readonly number[])[], reference: readonly number[]): Box[] {
  const [right, top] = reference as readonly [number, number];
  const boxes: Box[] = [];
  let left = -Infinity;
  let height = top;
  for (const point of front) {
    const [x, y] = point as readonly [number, number];
    boxes.push([
      [left, -Infinity],
      [x, height],
    ]);
    left = x;
    height = y;
  }
  boxes.push([
    [left, -Infinity],
    [right, height],
  ]);
  return boxes;
}

interface Strip {
  readonly left: number;
  readonly right: number;
  readonly height: number;
  /** Where in the third objective it begins. */
  readonly start: number;
}

/** The strips of the first two objectives, each as deep as it lasts while points come by their third. */
function sweptBoxes(front: readonly (readonly number[])[], reference: readonly number[]): Box[] {
  const [right, top, end] = reference as readonly [number, number, number];
  const boxes: Box[] = [];
  const close = (strip: Strip, depth: number): void => {
    if (depth > strip.start && strip.right > strip.left) {
      boxes.push([
        [strip.left, -Infinity, strip.start],
        [strip.right, strip.height, depth],
      ]);
    }
  };
  let alive: Strip[] = [{ left: -Infinity, right, height: top, start: -Infinity }];
  for (const point of front.toSorted((a, b) => (a[2] as number) - (b[2] as number))) {
    const [x, y, z] = point as readonly [number, number, number];
    const cut = alive.filter((strip) => strip.right > x && strip.height > y);
    if (cut.length === 0) continue;
    for (const strip of cut) close(strip, z);
    const first = cut[0] as Strip;
    const before = alive.slice(0, alive.indexOf(first));
    const after = alive.slice(alive.indexOf(cut.at(-1) as Strip) + 1);
    const beside = first.left < x ? [{ left: first.left, right: x, height: first.height, start: z }] : [];
    const under = { left: Math.max(first.left, x), right: (cut.at(-1) as Strip).right, height: y, start: z };
    alive = [...before, ...beside, under, ...after];
  }
  for (const strip of alive) close(strip, end);
  return boxes;
}

/** Cut in the last objective first, points coming by it: what lies before a point there is never cut again. */
function splitBoxes(front: readonly (readonly number[])[], reference: readonly number[]): Box[] {
  const last = reference.length - 1;
  const done: Box[] = [];
  let alive: Box[] = [[reference.map(() => -Infinity), [...reference]]];
  for (const point of front.toSorted((a, b) => (a[last] as number) - (b[last] as number))) {
    const next: Box[] = [];
    for (const box of alive) {
      if (box[1].every((bound, objective) => bound > (point[objective] as number))) {
        const [before, ...pieces] = split(box, point);
        if (before !== undefined) done.push(before);
        for (const piece of pieces) if (piece !== undefined) next.push(piece);
      } else next.push(box);
    }
    alive = next;
  }
  return [...done, ...alive];
}

/** What of a box a point does not dominate: from the last objective to the first, the part before the point, the rest going on. */
function split([lower, upper]: Box, point: readonly number[]): (Box | undefined)[] {
  const rest = [...lower];
  const pieces: (Box | undefined)[] = [];
  for (let objective = point.length - 1; objective >= 0; objective -= 1) {
    const bound = point[objective] as number;
    const filled = bound > (rest[objective] as number);
    pieces.push(filled ? [[...rest], upper.map((end, index) => (index === objective ? bound : end))] : undefined);
    if (filled) rest[objective] = bound;
  }
  return pieces;
}
