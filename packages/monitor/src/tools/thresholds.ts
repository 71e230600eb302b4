import { createRandom, type Random } from "@millwright/contracts";
import { parameterInvalid, sampleEmpty } from "../errors.ts";
import { quantileOf } from "../statistics/samples.ts";

/** Values below `lower` and above `upper` alarm; an absent side never does. */
export interface Limits {
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
}

/** From a statistic's values on chunks in which nothing was wrong, in their order, to its limits. */
export interface ThresholdStrategy {
  limits(values: readonly number[]): Limits;
}

const known = (values: readonly number[]): number[] => values.filter((value) => !Number.isNaN(value));

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function requireValues(values: readonly number[]): number[] {
  const found = known(values);
  if (found.length === 0) throw sampleEmpty("list of values on reference chunks");
  return found;
}

/** Limits that are given. Throws `MONITOR_PARAMETER_INVALID` where the lower one is not below the upper one. */
export function constantThreshold({ lower, upper }: Limits): ThresholdStrategy {
  for (const limit of [lower, upper])
    if (limit !== undefined && !Number.isFinite(limit)) throw parameterInvalid(`a limit is ${limit}`);
  if (lower !== undefined && upper !== undefined && lower >= upper)
    throw parameterInvalid(`the lower limit ${lower} is not below the upper one ${upper}`);
  return { limits: () => ({ lower, upper }) };
}

export interface StandardDeviationOptions {
  /** Standard deviations below, at least 0; `null`: no lower limit. Default: 3. */
  readonly below?: number | null | undefined;
  /** Standard deviations above, at least 0; `null`: no upper limit. Default: 3. */
  readonly above?: number | null | undefined;
  /** What the deviations are taken from. Default: `mean`. */
  readonly from?: "mean" | "median" | undefined;
}

/** The mean and so many standard deviations (over n, as NumPy's) of the values, NaN left out. */
export function standardDeviationThreshold({
  below = 3,
  above = 3,
  from = "mean",
}: StandardDeviationOptions = {}): ThresholdStrategy {
  for (const multiple of [below, above])
    if (multiple !== null && !(multiple >= 0 && Number.isFinite(multiple)))
      throw parameterInvalid(`${multiple} standard deviations are none`);
  if (from !== "mean" && from !== "median")
    throw parameterInvalid(`from is ${String(from)}, and must be mean or median`);
  return {
    limits(values) {
      const found = requireValues(values);
      const mean = meanOf(found);
      const deviation = Math.sqrt(meanOf(found.map((value) => (value - mean) ** 2)));
      const middle = from === "mean" ? mean : quantileOf(Float64Array.from(found).sort(), 0.5);
      return {
        lower: below === null ? undefined : middle - below * deviation,
        upper: above === null ? undefined : middle + above * deviation,
      };
    },
  };
}

export interface QuantileThresholdOptions {
  /** Share of values below the lower limit, in [0, 1]. Default: none. */
  readonly lower?: number | undefined;
  /** Share of values below the upper limit, in [0, 1]. Default: 0.99 where no lower one is given. */
  readonly upper?: number | undefined;
}

function checkShares(options: QuantileThresholdOptions): QuantileThresholdOptions {
  const shares = options.lower === undefined && options.upper === undefined ? { upper: 0.99 } : options;
  for (const share of [shares.lower, shares.upper])
    if (share !== undefined && !(share >= 0 && share <= 1))
      throw parameterInvalid(`a share is ${share}, and must be in [0, 1]`);
  if (shares.lower !== undefined && shares.upper !== undefined && shares.lower >= shares.upper)
    throw parameterInvalid("the lower share is not below the upper one");
  return shares;
}

/** Quantiles of the values, linear between neighbours. */
export function quantileThreshold(options: QuantileThresholdOptions = {}): ThresholdStrategy {
  const { lower, upper } = checkShares(options);
  return {
    limits(values) {
      const sorted = Float64Array.from(requireValues(values)).sort();
      return {
        lower: lower === undefined ? undefined : quantileOf(sorted, lower),
        upper: upper === undefined ? undefined : quantileOf(sorted, upper),
      };
    },
  };
}

export interface BootstrapOptions extends QuantileThresholdOptions {
  /** Times the values are drawn anew, from 1 to 100,000. Default: 1,000. */
  readonly resamples?: number | undefined;
  /** Default: seeded with 0, anew for each call. */
  readonly random?: Random | undefined;
}

/** Quantiles averaged over resamples of the values (Efron, 1979): steadier than `quantileThreshold` where there are few chunks. */
export function bootstrapThreshold(options: BootstrapOptions = {}): ThresholdStrategy {
  const { lower, upper } = checkShares(options);
  const { resamples = 1_000, random } = options;
  if (!(Number.isInteger(resamples) && resamples >= 1 && resamples <= 100_000))
    throw parameterInvalid(`resamples is ${resamples}, and must be a whole number from 1 to 100,000`);
  return {
    limits(values) {
      const found = requireValues(values);
      const source = random ?? createRandom(0);
      const drawn = new Float64Array(found.length);
      let [low, high] = [0, 0];
      for (let round = 0; round < resamples; round += 1) {
        for (let index = 0; index < drawn.length; index += 1)
          drawn[index] = found[source.integer(found.length)] as number;
        drawn.sort();
        if (lower !== undefined) low += quantileOf(drawn, lower) / resamples;
        if (upper !== undefined) high += quantileOf(drawn, upper) / resamples;
      }
      return { lower: lower === undefined ? undefined : low, upper: upper === undefined ? undefined : high };
    },
  };
}

export interface AdaptiveOptions extends Omit<StandardDeviationOptions, "from"> {
  /** Chunks after which a value counts half, above 0. Default: 5. */
  readonly halfLife?: number | undefined;
}

/** Mean and standard deviations with weights that halve with age, so that limits follow a slow trend. Give it the values so far, those that alarmed left out. */
export function adaptiveThreshold({ below = 3, above = 3, halfLife = 5 }: AdaptiveOptions = {}): ThresholdStrategy {
  standardDeviationThreshold({ below, above });
  if (!(halfLife > 0)) throw parameterInvalid(`halfLife is ${halfLife}, and must be above 0`);
  return {
    limits(values) {
      const found = requireValues(values);
      const weights = found.map((_, index) => 2 ** (-(found.length - 1 - index) / halfLife));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const weighted = (of: (value: number) => number): number =>
        found.reduce((sum, value, index) => sum + of(value) * (weights[index] as number), 0) / total;
      const mean = weighted((value) => value);
      const deviation = Math.sqrt(weighted((value) => (value - mean) ** 2));
      return {
        lower: below === null ? undefined : mean - below * deviation,
        upper: above === null ? undefined : mean + above * deviation,
      };
    },
  };
}

export interface ClipOptions {
  /** What the statistic cannot go below or above: limits beyond are moved there. Default: none. */
  readonly lowest?: number | undefined;
  readonly highest?: number | undefined;
  /** Take limits away that are moved, since they can never alarm. Default: false. */
  readonly remove?: boolean | undefined;
}

/** Limits within what the statistic can be: a distance is not below 0. */
export function clipLimits({ lower, upper }: Limits, { lowest, highest, remove = false }: ClipOptions): Limits {
  return {
    lower: lower !== undefined && lowest !== undefined && lower <= lowest ? (remove ? undefined : lowest) : lower,
    upper: upper !== undefined && highest !== undefined && upper >= highest ? (remove ? undefined : highest) : upper,
  };
}

/** Whether a value lies beyond its limits; NaN does not. */
export const isBeyond = (value: number, { lower, upper }: Limits): boolean =>
  (lower !== undefined && value < lower) || (upper !== undefined && value > upper);
