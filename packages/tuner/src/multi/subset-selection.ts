import { type Losses, lexicographicOrder } from "./domination.ts";
import { hypervolume } from "./hypervolume.ts";

/**
 * The `size` points that together dominate most, chosen greedily: at least 1 − 1/e of the best possible hypervolume.
 * Guerreiro, Fonseca and Paquete 2016, Evolutionary Computation 24. Of equal points one is taken before any is taken twice.
 * @returns Indices of `points`, in the order chosen.
 */
export function selectByHypervolume(points: readonly Losses[], size: number, reference: Losses): number[] {
  const { unique, repeated } = splitRepeated(points);
  if (unique.length <= size) return [...unique, ...repeated].slice(0, size);
  const bounds = unique.map((index) => volumeAlone(points[index] as Losses, reference));
  const left = new Set(unique.map((_, position) => position));
  const chosen: number[] = [];
  while (chosen.length < size) {
    const best = bestAddition(points, { unique, bounds, left, chosen, reference });
    left.delete(best);
    chosen.push(unique[best] as number);
  }
  return chosen;
}

interface Selection {
  readonly unique: readonly number[];
  /** For each unique point an upper bound of what it adds: what it added to fewer points. */
  readonly bounds: number[];
  readonly left: ReadonlySet<number>;
  readonly chosen: readonly number[];
  readonly reference: Losses;
}

/** What a point adds only falls as others are chosen, so a point whose old gain is below the best new one need not be looked at again. */
function bestAddition(points: readonly Losses[], { unique, bounds, left, chosen, reference }: Selection): number {
  const order = [...left].sort((a, b) => (bounds[b] as number) - (bounds[a] as number) || a - b);
  let best = order[0] as number;
  if (chosen.length === 0) return best;
  let gain = -Infinity;
  for (const position of order) {
    if ((bounds[position] as number) < gain) break;
    const point = points[unique[position] as number] as Losses;
    const shared = chosen.map((index) => worstOf(point, points[index] as Losses));
    const own = volumeAlone(point, reference) - hypervolume(shared, reference);
    bounds[position] = own;
    if (own > gain || (own === gain && position < best)) {
      gain = own;
      best = position;
    }
  }
  return best;
}

function splitRepeated(points: readonly Losses[]): { readonly unique: number[]; readonly repeated: number[] } {
  const unique: number[] = [];
  const repeated: number[] = [];
  let previous: Losses | undefined;
  for (const index of lexicographicOrder(points)) {
    const point = points[index] as Losses;
    const same = previous !== undefined && Array.from(point).every((loss, objective) => loss === previous?.[objective]);
    (same ? repeated : unique).push(index);
    previous = point;
  }
  return { unique, repeated };
}

function volumeAlone(point: Losses, reference: Losses): number {
  let volume = 1;
  for (let objective = 0; objective < reference.length; objective += 1) {
    volume *= Math.max(0, (reference[objective] as number) - (point[objective] as number));
  }
  return volume;
}

const worstOf = (a: Losses, b: Losses): number[] =>
  Array.from(a, (loss, objective) => Math.max(loss, b[objective] as number));
