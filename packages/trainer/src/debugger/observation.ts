/** What kind of tensor it is, in SageMaker Debugger's words for collections of them. */
export type TensorCollection =
  | "losses"
  | "weights"
  | "gradients"
  | "relu_input"
  | "relu_output"
  | "tanh_input"
  | "sigmoid_input"
  | "labels"
  | "predictions";

/** A tensor at a step: what rules ask of it. Numbers over all its values; where some are no numbers, moments are none either. */
export interface ObservedTensor {
  /** Its own within its collection: `dense_1/kernel`. */
  readonly name: string;
  readonly collection: TensorCollection;
  /** Number of values. */
  readonly size: number;
  /** Dimensions. */
  readonly rank: number;
  readonly nans: number;
  readonly infinities: number;
  readonly zeros: number;
  readonly mean: number;
  readonly meanAbsolute: number;
  /** Of the population. */
  readonly variance: number;
  /** 5th and 95th percentile, interpolated; where they were asked for. */
  readonly percentiles?: readonly [number, number] | undefined;
  /** Of each unit, the share of rows, 0 to 1, in which it is active; for activations. */
  readonly activity?: readonly number[] | undefined;
  /** Of weights: the mean of the absolute values before the step, and of those of the step's change. */
  readonly update?: { readonly before: number; readonly change: number } | undefined;
  /** Of weights: whether none has moved since the observation before, within the tolerances that were asked for. */
  readonly unchanged?: boolean | undefined;
  /** The values, row by row; for labels and predictions. */
  readonly values?: ArrayLike<number> | undefined;
}

/** What was seen at one step. */
export interface Observation {
  /** From 1; of an observation after an epoch, the epoch's last. */
  readonly step: number;
  /** `validation`: after an epoch, with the mean losses of both. */
  readonly mode: "train" | "validation";
  /** UTC milliseconds. */
  readonly timeMs: number;
  readonly tensors: readonly ObservedTensor[];
}

export interface ObserveOptions {
  /** Default: one dimension. */
  readonly shape?: readonly number[] | undefined;
  /** The values before the step. */
  readonly before?: ArrayLike<number> | undefined;
  /** The values of the observation before. */
  readonly previous?: ArrayLike<number> | undefined;
  /** As NumPy's `allclose` takes them. Default: 1e-5, 1e-8, NaN differs from NaN. */
  readonly tolerance?: Tolerance | undefined;
  /** Default: false. */
  readonly percentiles?: boolean | undefined;
  /** Keeps the values. Default: true for labels and predictions. */
  readonly keepValues?: boolean | undefined;
  /**
   * A value within the bounds (exclusive) counts as active; the last dimension are the units. Default: above 0 for `relu_output`, SageMaker's bounds
   * for `tanh_input` and `sigmoid_input`.
   */
  readonly active?: readonly [number, number] | undefined;
}

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
  readonly equalNan: boolean;
}

export const defaultTolerance: Tolerance = { rtol: 1e-5, atol: 1e-8, equalNan: false };

/** Bounds of a vanishing gradient of 1e-7, as SageMaker gives them. */
export const activeWithin: Readonly<Partial<Record<TensorCollection, readonly [number, number]>>> = {
  relu_output: [0, Infinity],
  tanh_input: [-9.4999, 9.4999],
  sigmoid_input: [-23, 16.99999],
};

/** The percentile between the two values next to it (NumPy's default). @param sorted Ascending, not empty. */
export function percentileOf(sorted: ArrayLike<number>, percent: number): number {
  const place = ((sorted.length - 1) * percent) / 100;
  const low = sorted[Math.floor(place)] as number;
  return low + ((sorted[Math.ceil(place)] as number) - low) * (place % 1);
}

const meanAbsoluteOf = (values: ArrayLike<number>, minus?: ArrayLike<number>): number => {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1)
    sum += Math.abs((values[index] as number) - (minus?.[index] ?? 0));
  return sum / values.length;
};

/** NumPy's `allclose(a, b)`. */
function allClose(a: ArrayLike<number>, b: ArrayLike<number>, { rtol, atol, equalNan }: Tolerance): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    const left = a[index] as number;
    const right = b[index] as number;
    const close =
      left === right ||
      Math.abs(left - right) <= atol + rtol * Math.abs(right) ||
      (equalNan && Number.isNaN(left) && Number.isNaN(right));
    if (!close || (Math.abs(right) === Infinity && left !== right)) return false;
  }
  return true;
}

/** @returns of each unit of the last dimension the share of rows in which it is within the bounds. */
function activityOf(values: ArrayLike<number>, units: number, [low, high]: readonly [number, number]): number[] {
  const counts = Array.from({ length: units }, () => 0);
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if (value > low && value < high) counts[index % units] = (counts[index % units] as number) + 1;
  }
  return counts.map((count) => count / (values.length / units));
}

/** What rules ask of a tensor, from its values; the trainer computes the same on the device. Pure. Throws a RangeError where there are no values. */
export function observeTensor(
  collection: TensorCollection,
  name: string,
  values: ArrayLike<number>,
  options: ObserveOptions = {},
): ObservedTensor {
  const { shape = [values.length], before, previous, tolerance = defaultTolerance, percentiles = false } = options;
  const { active = activeWithin[collection], keepValues = collection === "labels" || collection === "predictions" } =
    options;
  if (!(values.length > 0)) throw new RangeError(`The tensor "${name}" has no values.`);
  let [nans, infinities, zeros, sum] = [0, 0, 0, 0];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if (Number.isNaN(value)) nans += 1;
    else if (!Number.isFinite(value)) infinities += 1;
    else if (value === 0) zeros += 1;
    sum += value;
  }
  const mean = sum / values.length;
  let squares = 0;
  for (let index = 0; index < values.length; index += 1) squares += ((values[index] as number) - mean) ** 2;
  const sorted = percentiles ? Float64Array.from(values).toSorted() : undefined;
  return {
    name,
    collection,
    size: values.length,
    rank: shape.length,
    nans,
    infinities,
    zeros,
    mean,
    meanAbsolute: meanAbsoluteOf(values),
    variance: squares / values.length,
    ...(sorted === undefined ? {} : { percentiles: [percentileOf(sorted, 5), percentileOf(sorted, 95)] as const }),
    ...(active === undefined ? {} : { activity: activityOf(values, shape.at(-1) ?? 1, active) }),
    ...(before === undefined
      ? {}
      : { update: { before: meanAbsoluteOf(before), change: meanAbsoluteOf(values, before) } }),
    ...(previous === undefined ? {} : { unchanged: allClose(values, previous, tolerance) }),
    ...(keepValues ? { values } : {}),
  };
}

/** A loss, which is one number. */
export const observeLoss = (name: "train" | "validation", loss: number): ObservedTensor =>
  observeTensor("losses", name, [loss], { shape: [] });
