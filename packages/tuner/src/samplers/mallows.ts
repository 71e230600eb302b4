import type { Random } from "@millwright/contracts";

/**
 * Mallows' distribution over permutations: probability ∝ q^d, d the number of pairs in another order than in the centre's (Kendall's distance).
 * q = 1 is uniform. Mallows, "Non-null ranking models", Biometrika 44 (1957). Permutations are given as the place of each item.
 */

/** log Σ q^d over the permutations of n items: Σ log((1 − q^i)/(1 − q)). */
export function logMallowsTotal(items: number, q: number): number {
  let total = 0;
  let sum = 0;
  for (let item = 1; item <= items; item += 1) {
    sum = sum * q + 1;
    total += Math.log(sum);
  }
  return total;
}

/** Kendall's distance between two rows, from `at` and `other` on. */
export function kendallDistance(
  places: ArrayLike<number>,
  at: number,
  centre: ArrayLike<number>,
  other: number,
  items: number,
): number {
  let distance = 0;
  for (let a = 0; a < items; a += 1) {
    for (let b = a + 1; b < items; b += 1) {
      const first = (places[at + a] as number) < (places[at + b] as number);
      if (first !== (centre[other + a] as number) < (centre[other + b] as number)) distance += 1;
    }
  }
  return distance;
}

/** The dispersion whose mean distance is `share` of the uniform distribution's, n(n − 1)/4; by bisection. `share` in (0, 1]. */
export function mallowsDispersion(items: number, share: number): number {
  if (share >= 1) return 1;
  const target = (share * items * (items - 1)) / 4;
  let low = 0;
  let high = 1;
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (meanDistance(items, middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Item i of the repeated insertion is put before j others with weight q^j, j < i: the mean of j, summed. */
function meanDistance(items: number, q: number): number {
  let mean = 0;
  for (let item = 1; item <= items; item += 1) {
    let weight = 0;
    let sum = 0;
    for (let passed = 0, power = 1; passed < item; passed += 1, power *= q) {
      weight += power;
      sum += passed * power;
    }
    mean += sum / weight;
  }
  return mean;
}

/** Draws places by repeated insertion (Doignon, Pekeč and Regenwetter, Psychometrika 69, 2004) into `into` from `offset` on. */
export function drawMallows(
  centre: ArrayLike<number>,
  start: number,
  items: number,
  q: number,
  random: Random,
  into: Float64Array,
  offset: number,
): void {
  const inOrder = Array.from({ length: items }, (_, item) => item).toSorted(
    (a, b) => (centre[start + a] as number) - (centre[start + b] as number),
  );
  const order: number[] = [];
  for (const item of inOrder) order.splice(order.length - drawPassed(order.length + 1, q, random), 0, item);
  for (const [place, item] of order.entries()) into[offset + item] = place;
}

/** j below `places` with weight q^j. */
function drawPassed(places: number, q: number, random: Random): number {
  let total = 0;
  for (let passed = 0, power = 1; passed < places; passed += 1, power *= q) total += power;
  let left = random.next() * total;
  for (let passed = 0, power = 1; passed < places; passed += 1, power *= q) {
    left -= power;
    if (left < 0) return passed;
  }
  return 0;
}
