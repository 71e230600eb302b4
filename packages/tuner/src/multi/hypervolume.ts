import { type Losses, frontIndices } from "./domination.ts";

/**
 * The volume that `points` dominate and that `reference` bounds, exactly. Points that are not better than the reference in every objective add nothing.
 *
 * Two objectives: a sweep, O(n log n). Three: a sweep over the third with the staircase of the first two (Beume et al. 2009, IEEE TEVC 13). More: the WFG
 * algorithm, each exclusive volume one dimension lower by the order of the last objective (While, Bradstreet and Barone 2012, IEEE TEVC 16).
 * @param points Losses, to be minimised.
 * @param reference One finite number per objective; worse than anything of interest.
 */
export function hypervolume(points: readonly Losses[], reference: Losses): number {
  for (let objective = 0; objective < reference.length; objective += 1) {
    if (!Number.isFinite(reference[objective]))
      throw new RangeError(`A reference point is finite, not ${Array.from(reference).join(", ")}.`);
  }
  const inside = points.filter((point) => isBelow(point, reference));
  if (inside.length === 0) return 0;
  if (inside.some((point) => Array.from(point).includes(-Infinity))) return Infinity;
  return volumeOf(inside, Array.from(reference));
}

function isBelow(point: Losses, reference: Losses): boolean {
  for (let objective = 0; objective < reference.length; objective += 1) {
    if (!((point[objective] as number) < (reference[objective] as number))) return false;
  }
  return true;
}

/** Of any points at or below the reference. */
function volumeOf(points: readonly Losses[], reference: readonly number[]): number {
  if (points.length === 1) return inclusiveVolume(points[0] as Losses, reference, reference.length);
  const front = frontIndices(points).map((index) => points[index] as Losses);
  if (reference.length === 1) return (reference[0] as number) - (front[0]?.[0] as number);
  if (reference.length === 2) return planeVolume(front, reference);
  if (reference.length === 3) return spaceVolume(front, reference);
  return slicedVolume(front, reference);
}

function inclusiveVolume(point: Losses, reference: readonly number[], objectives: number): number {
  let volume = 1;
  for (let objective = 0; objective < objectives; objective += 1) {
    volume *= (reference[objective] as number) - (point[objective] as number);
  }
  return volume;
}

/** `front` in the order of its first objective. */
function planeVolume(front: readonly Losses[], reference: readonly number[]): number {
  let volume = 0;
  let top = reference[1] as number;
  for (const point of front) {
    volume += ((reference[0] as number) - (point[0] as number)) * (top - (point[1] as number));
    top = point[1] as number;
  }
  return volume;
}

function spaceVolume(front: readonly Losses[], reference: readonly number[]): number {
  const points = front.toSorted((a, b) => (a[2] as number) - (b[2] as number));
  const stairs = createStaircase(reference[0] as number, reference[1] as number);
  let volume = 0;
  for (const [index, point] of points.entries()) {
    stairs.add(point[0] as number, point[1] as number);
    const next = points[index + 1]?.[2] ?? (reference[2] as number);
    volume += stairs.area() * (next - (point[2] as number));
  }
  return volume;
}

/** The area that points of the plane dominate, kept up as points are added. */
function createStaircase(right: number, top: number): { add(x: number, y: number): void; area(): number } {
  // Steps by growing x and falling y.
  const xs: number[] = [];
  const ys: number[] = [];
  let area = 0;
  return {
    area: () => area,
    add(x, y) {
      let first = 0;
      let high = xs.length;
      while (first < high) {
        const middle = (first + high) >> 1;
        if ((xs[middle] as number) < x) first = middle + 1;
        else high = middle;
      }
      let ceiling = first === 0 ? top : (ys[first - 1] as number);
      if (ceiling <= y) return;
      let last = first;
      let left = x;
      while (last < xs.length && (ys[last] as number) >= y) {
        area += ((xs[last] as number) - left) * (ceiling - y);
        left = xs[last] as number;
        ceiling = ys[last] as number;
        last += 1;
      }
      area += ((last < xs.length ? (xs[last] as number) : right) - left) * (ceiling - y);
      xs.splice(first, last - first, x);
      ys.splice(first, last - first, y);
    },
  };
}

/**
 * From the worst in the last objective to the best: what a point has for itself against those after it is a slab of its own height, because they all reach
 * at least as far down; so the sum of base areas one dimension lower times the height of each.
 */
function slicedVolume(front: readonly Losses[], reference: readonly number[]): number {
  const last = reference.length - 1;
  const points = front.toSorted((a, b) => (b[last] as number) - (a[last] as number));
  const base = reference.slice(0, last);
  let volume = 0;
  for (const [index, point] of points.entries()) {
    const limited: number[][] = [];
    for (let other = index + 1; other < points.length; other += 1) {
      const row = new Array<number>(last);
      for (let objective = 0; objective < last; objective += 1) {
        row[objective] = Math.max(point[objective] as number, points[other]?.[objective] as number);
      }
      limited.push(row);
    }
    const own = inclusiveVolume(point, base, last) - (limited.length === 0 ? 0 : volumeOf(limited, base));
    volume += own * ((reference[last] as number) - (point[last] as number));
  }
  return volume;
}

/**
 * A reference point a tenth beyond the worst of `points` in each objective: the larger of 1.1 and 0.9 times the worst, and just above 0 where that is 0.
 * Ozaki et al. 2020, GECCO, section 5, as in Optuna's samplers.
 */
export function referencePointOf(points: readonly Losses[]): number[] {
  const objectives = points[0]?.length ?? 0;
  return Array.from({ length: objectives }, (_, objective) => {
    let worst = -Infinity;
    for (const point of points) worst = Math.max(worst, point[objective] as number);
    return Math.max(1.1 * worst, 0.9 * worst) || 1e-12;
  });
}
