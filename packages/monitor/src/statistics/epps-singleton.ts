import { parameterInvalid, sampleInvalid } from "../errors.ts";
import { chiSquaredSurvival } from "./distributions.ts";
import { finiteSample, pooledSample, quantileOf, type TestResult } from "./samples.ts";

export interface EppsSingletonOptions {
  /** Where the characteristic functions are compared, in units of half the interquartile range, above 0. Default: 0.4 and 0.8. */
  readonly points?: readonly number[] | undefined;
}

const fewest = 5;
const smallBelow = 25;

/**
 * The test of Epps and Singleton (1986): distance of two empirical characteristic functions; sees changes of scale that rank tests miss, and takes ties. Throws
 * `MONITOR_SAMPLE_EMPTY`, `MONITOR_SAMPLE_INVALID` for NaN, infinities, fewer than five values on a side and an interquartile range of 0,
 * `MONITOR_PARAMETER_INVALID` for other points.
 */
export function eppsSingleton(
  x: Iterable<number>,
  y: Iterable<number>,
  { points = [0.4, 0.8] }: EppsSingletonOptions = {},
): TestResult {
  if (points.length === 0 || points.some((point) => !(point > 0 && Number.isFinite(point))))
    throw parameterInvalid("points must be above 0");
  const [a, b] = [finiteSample(x, "first sample"), finiteSample(y, "second sample")];
  const [n, m] = [a.length, b.length];
  if (n < fewest || m < fewest)
    throw sampleInvalid(n < fewest ? "first sample" : "second sample", "it holds fewer than five values");
  const pooled = pooledSample([a, b]);
  const scale = (quantileOf(pooled, 0.75) - quantileOf(pooled, 0.25)) / 2;
  if (scale === 0) throw sampleInvalid("two samples", "half of their values are equal");
  const [one, two] = [a, b].map((sample) =>
    characteristic(
      sample,
      points.map((point) => point / scale),
    ),
  ) as [Characteristic, Characteristic];
  const all = n + m;
  const size = points.length * 2;
  const covariance = one.covariance.map(
    (value, index) => (all / n) * value + (all / m) * (two.covariance[index] as number),
  );
  const difference = one.means.map((value, index) => value - (two.means[index] as number));
  const { form, rank } = inverseForm(covariance, difference, size);
  const small = Math.max(n, m) < smallBelow ? 1 / (1 + all ** -0.45 + 10.1 * (n ** -1.7 + m ** -1.7)) : 1;
  const statistic = all * form * small;
  return { statistic, pValue: rank === 0 ? 1 : chiSquaredSurvival(statistic, rank) };
}

interface Characteristic {
  readonly means: readonly number[];
  /** Of the cosines and sines, over n; row by row. */
  readonly covariance: readonly number[];
}

function meanOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function characteristic(sample: Float64Array, points: readonly number[]): Characteristic {
  const waves = [
    ...points.map((point) => sample.map((value) => Math.cos(point * value))),
    ...points.map((point) => sample.map((value) => Math.sin(point * value))),
  ];
  const means = waves.map((wave) => meanOf(wave));
  const covariance = waves.flatMap((left, row) =>
    waves.map((right, column) => {
      let sum = 0;
      for (let index = 0; index < left.length; index += 1)
        sum +=
          ((left[index] as number) - (means[row] as number)) * ((right[index] as number) - (means[column] as number));
      return sum / left.length;
    }),
  );
  return { means, covariance };
}

/** vᵀ M⁺ v for a symmetric matrix and its pseudo-inverse, and the rank: by Jacobi's rotations. */
function inverseForm(
  matrix: readonly number[],
  vector: readonly number[],
  size: number,
): { readonly form: number; readonly rank: number } {
  const m = Float64Array.from(matrix);
  const v = Float64Array.from(vector);
  for (let sweep = 0; sweep < 60; sweep += 1) {
    let off = 0;
    for (let p = 0; p < size; p += 1)
      for (let q = p + 1; q < size; q += 1) {
        off += Math.abs(m[p * size + q] as number);
        rotate(m, v, { p, q, size });
      }
    if (off < 1e-300) break;
  }
  const values = Array.from(v.keys(), (index) => m[index * size + index] as number);
  const smallest = Math.max(...values.map(Math.abs)) * size * Number.EPSILON;
  const kept = values
    .map((value, index) => ({ value, part: v[index] as number }))
    .filter(({ value }) => Math.abs(value) > smallest);
  return { form: kept.reduce((sum, { value, part }) => sum + (part * part) / value, 0), rank: kept.length };
}

/** Turns the axes p and q so that their off-diagonal element vanishes; `v` turns along. */
function rotate(
  m: Float64Array,
  v: Float64Array,
  { p, q, size }: { readonly p: number; readonly q: number; readonly size: number },
): void {
  const off = m[p * size + q] as number;
  if (off === 0) return;
  const theta = ((m[q * size + q] as number) - (m[p * size + p] as number)) / (2 * off);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  const turn = (array: Float64Array, i: number, j: number): void => {
    const [x, y] = [array[i] as number, array[j] as number];
    array[i] = c * x - s * y;
    array[j] = s * x + c * y;
  };
  for (let k = 0; k < size; k += 1) turn(m, k * size + p, k * size + q);
  for (let k = 0; k < size; k += 1) turn(m, p * size + k, q * size + k);
  m[p * size + q] = 0;
  m[q * size + p] = 0;
  turn(v, p, q);
}
