/** One trial's losses: every objective to be minimised, in the order of the study's directions. */
export type Losses = ArrayLike<number>;

/** Whether `a` is nowhere worse than `b` and somewhere better. */
export function dominates(a: Losses, b: Losses): boolean {
  let better = false;
  for (let objective = 0; objective < a.length; objective += 1) {
    const left = a[objective] as number;
    const right = b[objective] as number;
    if (left > right) return false;
    if (left < right) better = true;
  }
  return better;
}

/** Indices in lexicographic order; equal points keep their order. */
export function lexicographicOrder(points: readonly Losses[]): number[] {
  return points.map((_, index) => index).sort((a, b) => compareLosses(points[a] as Losses, points[b] as Losses));
}

function compareLosses(a: Losses, b: Losses): number {
  for (let objective = 0; objective < a.length; objective += 1) {
    const left = a[objective] as number;
    const right = b[objective] as number;
    if (left < right) return -1;
    if (left > right) return 1;
  }
  return 0;
}

/**
 * The front each point is on: 0 for those nobody dominates, 1 for those that only the first front dominates, and so on. Equal points share a front.
 *
 * One and two objectives: a sweep in O(n log n) (Jensen 2003, IEEE TEVC 7). More: efficient non-dominated sort with binary search over the fronts
 * (Zhang, Tian, Cheng and Jin 2015, IEEE TEVC 19), O(n² m) at worst.
 */
export function nonDominationRanks(points: readonly Losses[]): Int32Array {
  const ranks = new Int32Array(points.length);
  const objectives = points[0]?.length ?? 0;
  const order = lexicographicOrder(points);
  const place = objectives <= 2 ? planeFronts(objectives) : spaceFronts(objectives, points.length);
  let previous = -1;
  for (const index of order) {
    const point = points[index] as Losses;
    const same = previous >= 0 && compareLosses(points[previous] as Losses, point) === 0;
    ranks[index] = same ? (ranks[previous] as number) : place(point);
    previous = index;
  }
  return ranks;
}

/** Tells the front of each new point, in lexicographic order: of a front only the last point, which has the smallest second objective, can dominate. */
function planeFronts(objectives: number): (point: Losses) => number {
  const tails: number[] = [];
  return (point) => {
    const last = objectives === 1 ? tails.length : (point[1] as number);
    const front = firstFront(tails.length, (index) => (tails[index] as number) <= last);
    tails[front] = last;
    return front;
  };
}

function spaceFronts(objectives: number, count: number): (point: Losses) => number {
  const placed = new Float64Array(count * objectives);
  const fronts: number[][] = [];
  let size = 0;
  /** The first objective needs no look: points come in its order. */
  const covers = (row: number, point: Losses): boolean => {
    for (let objective = 1; objective < objectives; objective += 1) {
      if ((placed[row * objectives + objective] as number) > (point[objective] as number)) return false;
    }
    return true;
  };
  return (point) => {
    const front = firstFront(fronts.length, (index) => {
      const members = fronts[index] as number[];
      for (let member = members.length - 1; member >= 0; member -= 1) {
        if (covers(members[member] as number, point)) return true;
      }
      return false;
    });
    for (let objective = 0; objective < objectives; objective += 1) {
      placed[size * objectives + objective] = point[objective] as number;
    }
    (fronts[front] ??= []).push(size);
    size += 1;
    return front;
  };
}

/** The first of `count` fronts that does not dominate: whoever a front dominates, every front before it dominates too. */
function firstFront(count: number, isDominatedBy: (front: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isDominatedBy(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Ranks with constraints: the feasible points' fronts first, then the others by their total violation, whatever their losses.
 * Deb, Pratap, Agarwal and Meyarivan 2002, IEEE TEVC 6, definition 1.
 * @param violations 0 for a feasible point, else how much it violates in sum.
 */
export function constrainedRanks(points: readonly Losses[], violations: ArrayLike<number>): Int32Array {
  const ranks = new Int32Array(points.length);
  const feasible: number[] = [];
  const infeasible: number[] = [];
  for (let index = 0; index < points.length; index += 1) {
    ((violations[index] as number) <= 0 ? feasible : infeasible).push(index);
  }
  const fronts = nonDominationRanks(feasible.map((index) => points[index] as Losses));
  let next = 0;
  for (const [position, index] of feasible.entries()) {
    ranks[index] = fronts[position] as number;
    next = Math.max(next, (fronts[position] as number) + 1);
  }
  const steps = nonDominationRanks(infeasible.map((index) => [violations[index] as number]));
  for (const [position, index] of infeasible.entries()) ranks[index] = next + (steps[position] as number);
  return ranks;
}

/** Indices of the points that no other dominates, in lexicographic order, each of several equal points once. */
export function frontIndices(points: readonly Losses[]): number[] {
  const order = lexicographicOrder(points);
  const front: number[] = [];
  let lowest = Infinity;
  for (const index of order) {
    const point = points[index] as Losses;
    if (point.length === 2) {
      if ((point[1] as number) < lowest) {
        lowest = point[1] as number;
        front.push(index);
      }
    } else if (!front.some((other) => covers(points[other] as Losses, point))) front.push(index);
  }
  return front;
}

function covers(a: Losses, b: Losses): boolean {
  for (let objective = 0; objective < a.length; objective += 1) {
    if ((a[objective] as number) > (b[objective] as number)) return false;
  }
  return true;
}
