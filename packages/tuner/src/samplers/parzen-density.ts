import { createGridMasses } from "./parzen-grid.ts";
import type { CategoricalKernels, MixtureTools, NormalKernels, PermutationKernels } from "./parzen-kernels.ts";
import { createNearKernels } from "./parzen-near.ts";

const LOG_ROOT_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/** Terms that are e^−38 of the largest, less than an ulp, do not count in a sum. */
const NEGLIGIBLE = 38;

/** A normal kernel with its centre in the range and no wider has at least 0.34 of its probability there: −log of that. */
const LEAST_MASS = 1.08;

/** What a mixture's kernels are made of. */
export interface MixtureKernels {
  readonly continuous: NormalKernels;
  /** Of grids: densities are masses of their cells. */
  readonly discrete: NormalKernels;
  readonly categoricals: readonly CategoricalKernels[];
  readonly permutations: readonly PermutationKernels[];
}

/**
 * Log densities of candidates: kernel after kernel, from the prior on. A kernel is left as soon as what was added shows it to be negligible, many without
 * being looked at; masses of normal distributions are taken only of those that are not.
 * @param shares The kernels' weights; the prior's last.
 */
export function createMixtureDensity(
  mixture: MixtureKernels,
  shares: Float64Array,
  { scratch }: MixtureTools,
): (rows: readonly Float64Array[]) => Float64Array {
  const { continuous, discrete } = mixture;
  const kernels = shares.length;
  const { centres, inverses } = continuous;
  const size = continuous.axes.length;
  const near = createNearKernels({ centres, inverses, size, observations: kernels - 1 });
  const most = near === undefined ? Infinity : largestBase(continuous, shares);
  const found = new Int32Array(near === undefined ? 0 : kernels);
  const reserve = NEGLIGIBLE + LEAST_MASS * (size + discrete.axes.length);
  const begin = createSums(mixture, shares, scratch, reserve);
  return (rows) => {
    const points = columnsOf(rows, continuous.axes);
    const largest = new Float64Array(rows.length).fill(-Infinity);
    const sums = new Float64Array(rows.length);
    const add = begin({ rows, points, largest, sums });
    for (let candidate = 0; candidate < rows.length; candidate += 1) {
      add(kernels - 1, candidate);
      const limit = 2 * (most - (largest[candidate] as number) + reserve);
      const nearBy = near === undefined ? -1 : near.find(points, candidate * size, limit, found);
      if (nearBy < 0) for (let kernel = kernels - 2; kernel >= 0; kernel -= 1) add(kernel, candidate);
      else for (let index = 0; index < nearBy; index += 1) add(found[index] as number, candidate);
    }
    return largest.map((term, candidate) => term + Math.log(sums[candidate] as number));
  };
}

/** Candidates with the sums of their terms so far, as multiples of e^largest. */
interface Sums {
  readonly rows: readonly Float64Array[];
  /** Continuous coordinates, candidate after candidate. */
  readonly points: Float64Array;
  readonly largest: Float64Array;
  readonly sums: Float64Array;
}

/** Adds a kernel's density at a candidate, if it is not negligible. */
type Add = (kernel: number, candidate: number) => void;

function createSums(
  { continuous, discrete, categoricals, permutations }: MixtureKernels,
  shares: Float64Array,
  scratch: MixtureTools["scratch"],
  reserve: number,
): (to: Sums) => Add {
  const kernels = shares.length;
  const { centres, inverses } = continuous;
  const baseOf = baseTerms(continuous, categoricals, shares, scratch.floats(kernels).fill(NaN));
  const masses = scratch.floats(kernels).fill(NaN);
  const massOf = (kernel: number): number => {
    const mass = continuous.logMass(kernel) + discrete.logMass(kernel);
    masses[kernel] = mass;
    return mass;
  };
  const choices = chosenIndices(categoricals, kernels);
  const hits = Float64Array.from(categoricals, ({ logHit }) => logHit);
  const misses = Float64Array.from(categoricals, ({ logMiss }) => logMiss);
  const grid = createGridMasses(discrete, kernels);
  const size = continuous.axes.length;
  const gridded = discrete.axes.length > 0;
  const listed = categoricals.length;
  const listedAxes = categoricals.map(({ axis }) => axis);
  return ({ rows, points, largest, sums }) => {
    const chosen = columnsOf(rows, listedAxes);
    grid.take(rows);
    return (kernel, candidate) => {
      let term = baseOf(kernel);
      const observed = kernel < kernels - 1 ? listed : 0;
      for (let index = 0; index < observed; index += 1) {
        const hit = choices[kernel * listed + index] === chosen[candidate * listed + index];
        term += (hit ? hits[index] : misses[index]) as number;
      }
      const limit = 2 * (term - (largest[candidate] as number) + reserve);
      const [own, point] = [kernel * size, candidate * size];
      let squares = 0;
      for (let index = 0; index < size && !(squares > limit); index += 1) {
        const z =
          ((points[point + index] as number) - (centres[own + index] as number)) * (inverses[own + index] as number);
        squares += z * z;
      }
      // NaN where neither this kernel nor one before has any weight.
      if (!(squares < limit) || (gridded && squares + grid.squares(kernel, candidate) > limit)) return;
      const mass = masses[kernel] as number;
      term -= 0.5 * squares + (Number.isNaN(mass) ? massOf(kernel) : mass);
      if (gridded) term += grid.logMass(kernel, candidate);
      for (const permutation of permutations) term += permutation.logDensity(kernel, rows[candidate] as Float64Array);
      addExp(largest, sums, candidate, term);
    };
  };
}

/** Adds e^term to e^largest · sum. */
function addExp(largest: Float64Array, sums: Float64Array, index: number, term: number): void {
  const most = largest[index] as number;
  if (term <= most) sums[index] = (sums[index] as number) + Math.exp(term - most);
  else {
    sums[index] = most === -Infinity ? 1 : (sums[index] as number) * Math.exp(most - term) + 1;
    largest[index] = term;
  }
}

/** log of the share and of the densities' norms, without the masses; of the prior also its categorical densities. Taken when asked for first. */
function baseTerms(
  continuous: NormalKernels,
  categoricals: readonly CategoricalKernels[],
  shares: Float64Array,
  base: Float64Array,
): (kernel: number) => number {
  const norm = LOG_ROOT_TWO_PI * continuous.axes.length;
  const prior = base.length - 1;
  const compute = (kernel: number): number => {
    let term = Math.log(shares[kernel] as number) - norm - continuous.logWidths(kernel);
    if (kernel === prior) for (const { axis } of categoricals) term -= Math.log(axis.levels);
    base[kernel] = term;
    return term;
  };
  return (kernel) => {
    const term = base[kernel] as number;
    return Number.isNaN(term) ? compute(kernel) : term;
  };
}

/** No base term is larger. */
function largestBase({ axes, narrowest }: NormalKernels, shares: Float64Array): number {
  let share = 0;
  for (let kernel = 0; kernel < shares.length; kernel += 1) share = Math.max(share, shares[kernel] as number);
  return Math.log(share) + axes.length * (Math.log(narrowest) - LOG_ROOT_TWO_PI) + 1e-6;
}

function chosenIndices(categoricals: readonly CategoricalKernels[], kernels: number): Int32Array {
  const size = categoricals.length;
  const choices = new Int32Array(kernels * size);
  for (const [index, { observed }] of categoricals.entries())
    for (let kernel = 0; kernel < observed.length; kernel += 1)
      choices[kernel * size + index] = observed[kernel] as number;
  return choices;
}

function columnsOf(rows: readonly Float64Array[], axes: readonly { readonly column: number }[]): Float64Array {
  const size = axes.length;
  const values = new Float64Array(rows.length * size);
  for (const [index, { column }] of axes.entries())
    for (let candidate = 0; candidate < rows.length; candidate += 1)
      values[candidate * size + index] = (rows[candidate] as Float64Array)[column] as number;
  return values;
}
