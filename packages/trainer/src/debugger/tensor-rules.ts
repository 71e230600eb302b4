import type { ObservedTensor, TensorCollection } from "./observation.ts";
import { asRule, type Found, said, type TrainingRule, verdictOf } from "./training-rule.ts";

export interface TensorChoice {
  /** Collections whose tensors are looked at. */
  readonly collectionNames?: readonly TensorCollection[] | undefined;
  /** A regular expression that `collection/name` matches. Default: all of the collections. */
  readonly tensorRegex?: string | undefined;
}

export const nameOf = ({ collection, name }: ObservedTensor): string => `${collection}/${name}`;

/** A rule that looks at each tensor of an observation by itself. @param problem What is wrong with it. */
function ruleOfEach(
  name: string,
  { collectionNames, tensorRegex }: Required<Pick<TensorChoice, "collectionNames">> & TensorChoice,
  problem: (tensor: ObservedTensor) => string | undefined,
): TrainingRule {
  const collections = new Set(collectionNames);
  const pattern = tensorRegex === undefined ? undefined : new RegExp(tensorRegex);
  return asRule<Found>({
    name,
    needs: [...collections],
    empty: {},
    update(_state, { step, tensors }) {
      for (const tensor of tensors) {
        if (!collections.has(tensor.collection) || pattern?.test(nameOf(tensor)) === false) continue;
        const wrong = problem(tensor);
        if (wrong !== undefined)
          return { found: { step, tensor: nameOf(tensor), message: `${nameOf(tensor)} ${wrong}.` } };
      }
      return {};
    },
    verdict: verdictOf,
  });
}

export interface VanishingGradientParameters {
  /** Least mean of the absolute values of a gradient. Default: 1e-7. */
  readonly threshold?: number | undefined;
}

/** Fires where the mean absolute value of a tensor's gradients is below `threshold`. */
export const vanishingGradient = ({ threshold = 1e-7 }: VanishingGradientParameters): TrainingRule =>
  ruleOfEach("VanishingGradient", { collectionNames: ["gradients"] }, ({ meanAbsolute }) =>
    meanAbsolute < threshold ? `has a mean absolute value of ${said(meanAbsolute)}, below ${threshold}` : undefined,
  );

export interface ExplodingTensorParameters extends TensorChoice {
  /** Lets infinite values pass. Default: false. */
  readonly onlyNan?: boolean | undefined;
}

/** Fires where a value is NaN, or infinite. By default losses, gradients and weights are looked at. */
export const explodingTensor = ({ onlyNan = false, ...choice }: ExplodingTensorParameters): TrainingRule => {
  const collectionNames = choice.collectionNames ?? ["losses", "gradients", "weights"];
  return ruleOfEach("ExplodingTensor", { ...choice, collectionNames }, ({ nans, infinities, size }) => {
    if (nans === 0 && (onlyNan || infinities === 0)) return undefined;
    return `has ${nans} NaN and ${infinities} infinite of ${size} values`;
  });
};

export interface AllZeroParameters extends TensorChoice {
  /** Percent of the values. Default: 100. */
  readonly threshold?: number | undefined;
}

/** Fires where at least `threshold` percent of a tensor's values are 0. By default gradients are looked at. */
export const allZero = ({ threshold = 100, ...choice }: AllZeroParameters): TrainingRule =>
  ruleOfEach("AllZero", { ...choice, collectionNames: choice.collectionNames ?? ["gradients"] }, ({ zeros, size }) =>
    (100 * zeros) / size >= threshold ? `is 0 in ${said((100 * zeros) / size)} % of its values` : undefined,
  );

export interface TensorVarianceParameters extends TensorChoice {
  /** Default: none. */
  readonly maxThreshold?: number | undefined;
  /** Default: none. */
  readonly minThreshold?: number | undefined;
}

/** Fires where a tensor's variance is out of the bounds. By default weights are looked at. */
export const tensorVariance = (parameters: TensorVarianceParameters): TrainingRule => {
  const { maxThreshold = Infinity, minThreshold = -Infinity, ...choice } = parameters;
  const collectionNames = choice.collectionNames ?? ["weights"];
  return ruleOfEach("TensorVariance", { ...choice, collectionNames }, ({ variance }) => {
    if (variance > maxThreshold) return `has a variance of ${said(variance)}, above ${maxThreshold}`;
    return variance < minThreshold ? `has a variance of ${said(variance)}, below ${minThreshold}` : undefined;
  });
};

export interface WeightUpdateRatioParameters {
  /** Largest ratio. Default: 10. */
  readonly largeThreshold?: number | undefined;
  /** Least ratio. Default: 1e-8. */
  readonly smallThreshold?: number | undefined;
  /** What is added to the weights, so that nothing is divided by 0. Default: 1e-9. */
  readonly epsilon?: number | undefined;
}

/**
 * Fires where the mean absolute change of a tensor's weights in the step, divided by their mean absolute value before it, is out of the bounds.
 * Weights that were all 0 before, as biases are at the beginning, are left out.
 */
export const weightUpdateRatio = (parameters: WeightUpdateRatioParameters): TrainingRule => {
  const { largeThreshold = 10, smallThreshold = 1e-8, epsilon = 1e-9 } = parameters;
  return ruleOfEach("WeightUpdateRatio", { collectionNames: ["weights"] }, ({ update }) => {
    if (update === undefined || update.before === 0) return undefined;
    const ratio = update.change / (update.before + epsilon);
    if (ratio > largeThreshold) return `has changed by ${said(ratio)} of itself, more than ${largeThreshold}`;
    return ratio < smallThreshold ? `has changed by ${said(ratio)} of itself, less than ${smallThreshold}` : undefined;
  });
};

export interface UnchangedTensorParameters extends TensorChoice {
  /** Observations in a row that are alike. Default: 3. */
  readonly numSteps?: number | undefined;
  /** Relative tolerance of NumPy's `allclose`. Default: 1e-5. */
  readonly rtol?: number | undefined;
  /** Absolute tolerance of NumPy's `allclose`. Default: 1e-8. */
  readonly atol?: number | undefined;
  /** Whether NaN is alike NaN. Default: false. */
  readonly equalNan?: boolean | undefined;
}

/** Fires where a tensor is alike in `numSteps` observations in a row. Weights are looked at. */
export function unchangedTensor({ numSteps = 3, tensorRegex }: UnchangedTensorParameters): TrainingRule {
  const pattern = tensorRegex === undefined ? undefined : new RegExp(tensorRegex);
  interface State extends Found {
    /** Observations in a row that are like the one before, by tensor. */
    readonly alike: Readonly<Record<string, number>>;
  }
  return asRule<State>({
    name: "UnchangedTensor",
    needs: ["weights"],
    empty: { alike: {} },
    update({ alike }, { step, tensors }) {
      const next = { ...alike };
      let tensor: string | undefined;
      for (const one of tensors) {
        const name = nameOf(one);
        if (one.unchanged === undefined || pattern?.test(name) === false) continue;
        const count = one.unchanged ? (next[name] ?? 0) + 1 : 0;
        next[name] = count;
        if (count + 1 >= numSteps) tensor ??= name;
      }
      if (tensor === undefined) return { alike: next };
      const message = `${tensor} has not changed in ${(next[tensor] ?? 0) + 1} observations.`;
      return { alike: next, found: { step, tensor, message } };
    },
    verdict: verdictOf,
  });
}
