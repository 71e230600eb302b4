import { createRandom, hashSeed } from "@millwright/contracts";
import type { Losses } from "./domination.ts";

/**
 * The survivors that spread best over the reference directions: each time one near a direction that has fewest so far, its nearest.
 * Deb and Jain 2014, IEEE TEVC 18, algorithms 2 to 4. Which of several equally empty directions comes first depends on `generation` alone.
 * @param kept Losses of those that survive anyway.
 * @param front Losses of those to choose from.
 * @returns `room` indices of `front`.
 */
export function selectByNiche(
  kept: readonly Losses[],
  front: readonly Losses[],
  room: number,
  directions: readonly (readonly number[])[],
  generation: number,
): number[] {
  const nearest = normalized([...kept, ...front]).map((point) => nearestDirection(point, directions));
  const counts = new Array<number>(directions.length).fill(0);
  for (const { direction } of nearest.slice(0, kept.length)) counts[direction] = (counts[direction] as number) + 1;
  const waiting = directions.map((): { index: number; distance: number }[] => []);
  for (const [index, { direction, distance }] of nearest.slice(kept.length).entries())
    waiting[direction]?.push({ index, distance });
  for (const queue of waiting) queue.sort((a, b) => a.distance - b.distance || a.index - b.index);
  const order = shuffled(directions.length, generation);
  const chosen: number[] = [];
  while (chosen.length < room) {
    let next: number | undefined;
    for (const direction of order) {
      if (waiting[direction]?.length === 0) continue;
      if (next === undefined || (counts[direction] as number) < (counts[next] as number)) next = direction;
    }
    const one = next === undefined ? undefined : waiting[next]?.shift();
    if (next === undefined || one === undefined) break;
    chosen.push(one.index);
    counts[next] = (counts[next] as number) + 1;
  }
  return chosen;
}

function shuffled(count: number, generation: number): number[] {
  const random = createRandom(hashSeed(`niches of ${generation}`));
  const order = Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [order[index], order[other]] = [order[other] as number, order[index] as number];
  }
  return order;
}

/** The reference line with the least distance to the point. */
function nearestDirection(
  point: readonly number[],
  directions: readonly (readonly number[])[],
): { readonly direction: number; readonly distance: number } {
  const size = point.reduce((sum, loss) => sum + loss * loss, 0);
  let best = { direction: 0, distance: Infinity };
  for (const [direction, ray] of directions.entries()) {
    let along = 0;
    let length = 0;
    for (const [objective, share] of ray.entries()) {
      along += share * (point[objective] as number);
      length += share * share;
    }
    const distance = Math.max(0, size - (along * along) / length);
    if (distance < best.distance) best = { direction, distance };
  }
  return best;
}

/** Losses from the ideal point, by the intercepts of the plane through the extreme points; by the worst ones where these span no plane. */
function normalized(points: readonly Losses[]): number[][] {
  const moved = fromIdeal(points);
  const objectives = moved[0]?.length ?? 0;
  const extremes = Array.from({ length: objectives }, (_, axis) => extremePoint(moved, axis));
  const scales = solve(extremes) ?? [];
  return moved.map((point) =>
    point.map((loss, objective) => {
      const scale = scales[objective] as number;
      if (scale > 0 && Number.isFinite(scale)) return loss * scale;
      const worst = Math.max(...moved.map((other) => other[objective] as number));
      return worst > 0 ? loss / worst : loss;
    }),
  );
}

/** Losses less the smallest of each objective; infinite ones three ranges away. */
function fromIdeal(points: readonly Losses[]): number[][] {
  const objectives = points[0]?.length ?? 0;
  const ends = Array.from({ length: objectives }, (_, objective) => {
    const finite = points.map((point) => point[objective] as number).filter((loss) => Number.isFinite(loss));
    const low = Math.min(...finite);
    const high = Math.max(...finite);
    return finite.length === 0 ? { low: 0, high: 0, margin: 1 } : { low, high, margin: 3 * (high - low) };
  });
  const clipped = points.map((point) =>
    ends.map(({ low, high, margin }, objective) =>
      Math.min(high + margin, Math.max(low - margin, point[objective] as number)),
    ),
  );
  const ideal = ends.map((_, objective) => Math.min(...clipped.map((point) => point[objective] as number)));
  return clipped.map((point) => point.map((loss, objective) => loss - (ideal[objective] as number)));
}

/** Of one axis: the point with the smallest achievement value, all other objectives weighing a million times as much. */
function extremePoint(points: readonly (readonly number[])[], axis: number): readonly number[] {
  let best: readonly number[] = points[0] as readonly number[];
  let least = Infinity;
  for (const point of points) {
    const value = Math.max(...point.map((loss, objective) => (objective === axis ? loss : 1e6 * loss)));
    if (value < least) {
      least = value;
      best = point;
    }
  }
  return best;
}

/** x of `rows` x = 1, by Gaussian elimination with pivots; `undefined` where the rows do not span. */
function solve(rows: readonly (readonly number[])[]): number[] | undefined {
  const matrix = rows.map((row) => [...row, 1]);
  const size = matrix.length;
  for (let column = 0; column < size; column += 1) {
    let pivot = column;
    for (let row = column + 1; row < size; row += 1)
      if (Math.abs(matrix[row]?.[column] as number) > Math.abs(matrix[pivot]?.[column] as number)) pivot = row;
    const top = matrix[pivot] as number[];
    if (!(Math.abs(top[column] as number) > 1e-12)) return undefined;
    [matrix[column], matrix[pivot]] = [top, matrix[column] as number[]];
    for (const [index, row] of matrix.entries()) {
      if (index === column) continue;
      const factor = (row[column] as number) / (top[column] as number);
      for (let entry = column; entry <= size; entry += 1)
        row[entry] = (row[entry] as number) - factor * (top[entry] as number);
    }
  }
  return matrix.map((row, index) => (row[size] as number) / (row[index] as number));
}
