import { type Eigen, applySpectral, identity, symmetricEigen } from "./eigen.ts";

/** The search distribution N(mean, sigma² · covariance) and what CMA-ES remembers of its way. Never changed in place. */
export interface GaussianState {
  readonly mean: Float64Array;
  readonly sigma: number;
  /** n × n, row-major. */
  readonly covariance: Float64Array;
  /** Evolution path of the step size, p_σ. */
  readonly pathSigma: Float64Array;
  /** Evolution path of the covariance, p_c. */
  readonly pathCovariance: Float64Array;
  /** Updates so far. */
  readonly generation: number;
  /** Of `covariance`, its values above 0. */
  readonly eigen: Eigen;
}

/** The constants of one dimension and population size. */
export interface GaussianSettings {
  readonly dimension: number;
  readonly population: number;
  readonly parents: number;
  /** One per member of the population, best first; those of the worse half are negative or 0. */
  readonly weights: Float64Array;
  readonly effectiveParents: number;
  readonly learnRankOne: number;
  readonly learnRankMu: number;
  readonly cumulateSigma: number;
  readonly dampSigma: number;
  readonly cumulateCovariance: number;
  /** E‖N(0, I)‖. */
  readonly expectedLength: number;
}

/** λ = 4 + ⌊3 ln n⌋. */
export const defaultPopulation = (dimension: number): number => 4 + Math.floor(3 * Math.log(Math.max(1, dimension)));

/**
 * Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, table 1 and eq. 49 to 58.
 * @param active Learns from the worse half too, by negative weights; CatCMA does not.
 */
export function gaussianSettings(dimension: number, population: number, active: boolean): GaussianSettings {
  const parents = Math.floor(population / 2);
  const raw = Float64Array.from(
    { length: population },
    (_, index) => Math.log((population + 1) / 2) - Math.log(index + 1),
  );
  const effective = (part: Float64Array): number => sum(part) ** 2 / part.reduce((total, w) => total + w * w, 0);
  const effectiveParents = effective(raw.subarray(0, parents));
  const learnRankOne = 2 / ((dimension + 1.3) ** 2 + effectiveParents);
  const learnRankMu = Math.min(
    1 - learnRankOne - 1e-8,
    (2 * (effectiveParents - 2 + 1 / effectiveParents)) / ((dimension + 2) ** 2 + effectiveParents),
  );
  const negative = Math.min(
    1 + learnRankOne / learnRankMu,
    1 + (2 * effective(raw.subarray(parents))) / (effectiveParents + 2),
    (1 - learnRankOne - learnRankMu) / (dimension * learnRankMu),
  );
  const positiveSum = sum(raw.filter((weight) => weight > 0));
  const negativeSum = -sum(raw.filter((weight) => weight < 0));
  const cumulateSigma = (effectiveParents + 2) / (dimension + effectiveParents + 5);
  return {
    dimension,
    population,
    parents,
    weights: raw.map((weight, index) => {
      if (weight >= 0 && index < parents) return weight / positiveSum;
      return active && weight < 0 ? (negative * weight) / negativeSum : 0;
    }),
    effectiveParents,
    learnRankOne,
    learnRankMu,
    cumulateSigma,
    dampSigma: 1 + 2 * Math.max(0, Math.sqrt((effectiveParents - 1) / (dimension + 1)) - 1) + cumulateSigma,
    cumulateCovariance: (4 + effectiveParents / dimension) / (dimension + 4 + (2 * effectiveParents) / dimension),
    expectedLength: Math.sqrt(dimension) * (1 - 1 / (4 * dimension) + 1 / (21 * dimension ** 2)),
  };
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);

/** @param covariance n × n, row-major. Default: the identity. */
export function startGaussian(mean: Float64Array, sigma: number, covariance?: Float64Array): GaussianState {
  const n = mean.length;
  return withCovariance(
    {
      mean,
      sigma,
      pathSigma: new Float64Array(n),
      pathCovariance: new Float64Array(n),
      generation: 0,
    },
    covariance ?? identity(n),
  );
}

/** Symmetrises `covariance` and lifts eigenvalues that rounding took below 0. */
export function withCovariance(
  state: Omit<GaussianState, "covariance" | "eigen">,
  covariance: Float64Array,
): GaussianState {
  const n = state.mean.length;
  const symmetric = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1)
    for (let column = 0; column < n; column += 1)
      symmetric[row * n + column] =
        ((covariance[row * n + column] as number) + (covariance[column * n + row] as number)) / 2;
  const eigen = symmetricEigen(symmetric, n);
  if (eigen.values.every((value) => value > 0)) return { ...state, covariance: symmetric, eigen };
  const values = eigen.values.map((value) => (value > 0 ? value : 1e-8));
  const lifted = new Float64Array(n * n);
  for (let axis = 0; axis < n; axis += 1)
    addOuter(
      lifted,
      Float64Array.from({ length: n }, (_, row) => eigen.vectors[row * n + axis] as number),
      values[axis] as number,
    );
  return { ...state, covariance: lifted, eigen: { values, vectors: eigen.vectors } };
}

/** matrix += factor · v vᵀ. */
function addOuter(matrix: Float64Array, v: Float64Array, factor: number): void {
  const n = v.length;
  for (let row = 0; row < n; row += 1) {
    const scaled = factor * (v[row] as number);
    for (let column = 0; column < n; column += 1)
      matrix[row * n + column] = (matrix[row * n + column] as number) + scaled * (v[column] as number);
  }
}

/** The point mean + sigma · C^(1/2) · z for a standard normal z of n entries. */
export function gaussianPoint({ mean, sigma, eigen }: GaussianState, z: Float64Array): Float64Array {
  const n = mean.length;
  const point = mean.slice();
  for (let axis = 0; axis < n; axis += 1) {
    const length = sigma * Math.sqrt(eigen.values[axis] as number) * (z[axis] as number);
    for (let row = 0; row < n; row += 1)
      point[row] = (point[row] as number) + length * (eigen.vectors[row * n + axis] as number);
  }
  return point;
}

/**
 * One generation of CMA-ES: Hansen, arXiv 1604.00772, eq. 41 to 47.
 * @param ranked `population` points of n entries, the best first.
 */
export function updateGaussian(
  state: GaussianState,
  settings: GaussianSettings,
  ranked: readonly Float64Array[],
): GaussianState {
  const { weights, parents, effectiveParents, cumulateSigma, cumulateCovariance, expectedLength } = settings;
  const n = settings.dimension;
  const generation = state.generation + 1;
  const inverseRoot = state.eigen.values.map((value) => 1 / Math.sqrt(value));
  const steps = ranked.map((point) => point.map((value, axis) => (value - (state.mean[axis] as number)) / state.sigma));
  const shift = new Float64Array(n);
  for (let member = 0; member < parents; member += 1)
    for (let axis = 0; axis < n; axis += 1)
      shift[axis] =
        (shift[axis] as number) + (weights[member] as number) * ((steps[member] as Float64Array)[axis] as number);
  const whitened = applySpectral(state.eigen, inverseRoot, shift);
  const driveSigma = Math.sqrt(cumulateSigma * (2 - cumulateSigma) * effectiveParents);
  const pathSigma = state.pathSigma.map(
    (value, axis) => (1 - cumulateSigma) * value + driveSigma * (whitened[axis] as number),
  );
  const length = norm(pathSigma);
  const sigma = state.sigma * Math.exp((cumulateSigma / settings.dampSigma) * (length / expectedLength - 1));
  const stalled =
    length / Math.sqrt(1 - (1 - cumulateSigma) ** (2 * (generation + 1))) >= (1.4 + 2 / (n + 1)) * expectedLength;
  const drive = stalled ? 0 : Math.sqrt(cumulateCovariance * (2 - cumulateCovariance) * effectiveParents);
  const pathCovariance = state.pathCovariance.map(
    (value, axis) => (1 - cumulateCovariance) * value + drive * (shift[axis] as number),
  );
  const covariance = nextCovariance(state, settings, { steps, inverseRoot, pathCovariance, stalled });
  return withCovariance(
    {
      mean: state.mean.map((value, axis) => value + state.sigma * (shift[axis] as number)),
      sigma: Math.min(sigma, 1e32),
      pathSigma,
      pathCovariance,
      generation,
    },
    covariance,
  );
}

interface Moves {
  readonly steps: readonly Float64Array[];
  readonly inverseRoot: Float64Array;
  readonly pathCovariance: Float64Array;
  readonly stalled: boolean;
}

function nextCovariance(
  state: GaussianState,
  { weights, learnRankOne, learnRankMu, cumulateCovariance, dimension }: GaussianSettings,
  { steps, inverseRoot, pathCovariance, stalled }: Moves,
): Float64Array {
  const correction = stalled ? cumulateCovariance * (2 - cumulateCovariance) : 0;
  const keep = 1 + learnRankOne * correction - learnRankOne - learnRankMu * sum(weights);
  const covariance = state.covariance.map((value) => keep * value);
  addOuter(covariance, pathCovariance, learnRankOne);
  for (const [member, step] of steps.entries()) {
    const weight = weights[member] as number;
    if (weight === 0) continue;
    const factor =
      weight > 0 ? weight : (weight * dimension) / (norm(applySpectral(state.eigen, inverseRoot, step)) ** 2 + 1e-8);
    addOuter(covariance, step, learnRankMu * factor);
  }
  return covariance;
}

export const norm = (v: Float64Array): number => Math.sqrt(v.reduce((total, value) => total + value * value, 0));
