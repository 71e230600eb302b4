import { createGridMasses } from "./parzen-grid.ts";
import type { CategoricalKernels, MixtureTools, NormalKernels, PermutationKernels } from "./parzen-kernels.ts";

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
 * Log densities of candidates: kernel after kernel, from the prior on, and within it candidate after candidate, so that a kernel's numbers are read
 * once. A kernel is left as soon as what was added shows it to be negligible; masses of normal distributions are taken only of those that are not.
 * @param shares The kernels' weights; the prior's last.
 */
export function createMixtureDensity(
  { continuous, discrete, categoricals, permutations }: MixtureKernels,
  shares: Float64Array,
  { scratch }: MixtureTools,
): (rows: readonly Float64Array[]) => Float64Array {
  const kernels = shares.length;
  const { centres, inverses } = continuous;
  const base = baseTerms(continuous, categoricals, shares, scratch.floats(kernels));
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
  const reserve = NEGLIGIBLE + LEAST_MASS * (size + discrete.axes.length);
  return (rows) => {
    const points = columnsOf(rows, continuous.axes);
    const chosen = columnsOf(
      rows,
      categoricals.map(({ axis }) => axis),
    );
    grid.take(rows);
    const largest = new Float64Array(rows.length).fill(-Infinity);
    const candidates = rows.length;
    const sums = new Float64Array(rows.length);
    for (let kernel = kernels - 1; kernel >= 0; kernel -= 1) {
      const start = kernel * size;
      const observed = kernel < kernels - 1 ? listed : 0;
      for (let candidate = 0; candidate < candidates; candidate += 1) {
        let term = base[kernel] as number;
        for (let index = 0; index < observed; index += 1) {
          const hit = choices[kernel * listed + index] === chosen[candidate * listed + index];
          term += (hit ? hits[index] : misses[index]) as number;
        }
        const limit = 2 * (term - (largest[candidate] as number) + reserve);
        let squares = 0;
        for (let index = 0, point = candidate * size; index < size; index += 1, point += 1) {
          const z =
            ((points[point] as number) - (centres[start + index] as number)) * (inverses[start + index] as number);
          squares += z * z;
          if (squares > limit) break;
        }
        // NaN where neither this kernel nor one before has any weight.
        if (!(squares < limit) || (gridded && squares + grid.squares(kernel, candidate) > limit)) continue;
        const mass = masses[kernel] as number;
        term -= 0.5 * squares + (Number.isNaN(mass) ? massOf(kernel) : mass);
        if (gridded) term += grid.logMass(kernel, candidate);
        for (const own of permutations) term += own.logDensity(kernel, rows[candidate] as Float64Array);
        addExp(largest, sums, candidate, term);
      }
    }
    return largest.map((most, candidate) => most + Math.log(sums[candidate] as number));
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

/** log of the share and of the densities' norms, without the masses; of the prior also its categorical densities. */
function baseTerms(
  continuous: NormalKernels,
  categoricals: readonly CategoricalKernels[],
  shares: Float64Array,
  base: Float64Array,
): Float64Array {
  const norm = LOG_ROOT_TWO_PI * continuous.axes.length;
  for (let kernel = 0; kernel < base.length; kernel += 1)
    base[kernel] = Math.log(shares[kernel] as number) - norm - continuous.logWidths(kernel);
  const prior = base.length - 1;
  for (const { axis } of categoricals) base[prior] = (base[prior] as number) - Math.log(axis.levels);
  return base;
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
