import type { Observation, ObservedTensor, TensorCollection } from "./observation.ts";
import { nameOf } from "./tensor-rules.ts";
import { asRule, type Found, said, type TrainingRule, verdictOf } from "./training-rule.ts";

export interface ActivityParameters {
  /** A regular expression that `collection/name` matches. Default: all layers. */
  readonly tensorRegex?: string | undefined;
  /** Percent of the rows in which a unit must be active. Default: 1. */
  readonly thresholdInactivity?: number | undefined;
  /** Percent of a layer's units that may be inactive. Default: 50. */
  readonly thresholdLayer?: number | undefined;
}

function inactiveUnits(
  name: string,
  { thresholdInactivity = 1, thresholdLayer = 50, tensorRegex }: ActivityParameters,
  { collections, word }: { readonly collections: readonly TensorCollection[]; readonly word: string },
): TrainingRule {
  const pattern = tensorRegex === undefined ? undefined : new RegExp(tensorRegex);
  return asRule<Found>({
    name,
    needs: collections,
    empty: {},
    update(_state, { step, tensors }) {
      for (const tensor of tensors) {
        const { activity = [] } = tensor;
        if (!collections.includes(tensor.collection) || pattern?.test(nameOf(tensor)) === false) continue;
        const inactive = activity.filter((share) => 100 * share < thresholdInactivity).length;
        const percent = (100 * inactive) / activity.length;
        if (!(percent > thresholdLayer)) continue;
        const message = `${nameOf(tensor)}: ${inactive} of ${activity.length} units are ${word}.`;
        return { found: { step, tensor: nameOf(tensor), message } };
      }
      return {};
    },
    verdict: verdictOf,
  });
}

/** Fires where more than `thresholdLayer` percent of a layer's rectified linear units are active in less than `thresholdInactivity` percent of the rows. */
export const deadRelu = (parameters: ActivityParameters): TrainingRule =>
  inactiveUnits("DeadRelu", parameters, { collections: ["relu_output"], word: "dead" });

export interface SaturatedActivationParameters extends ActivityParameters {
  /** Inputs of tanh beyond which its gradient is below 1e-7. Default: [-9.4999, 9.4999]. */
  readonly thresholdTanh?: readonly [number, number] | undefined;
  /** The same of the sigmoid. Default: [-23, 16.99999]. */
  readonly thresholdSigmoid?: readonly [number, number] | undefined;
}

/** Fires where more than `thresholdLayer` percent of a layer's tanh or sigmoid units have inputs within the thresholds in less than `thresholdInactivity` percent of the rows. */
export const saturatedActivation = (parameters: SaturatedActivationParameters): TrainingRule =>
  inactiveUnits("SaturatedActivation", parameters, {
    collections: ["tanh_input", "sigmoid_input"],
    word: "saturated",
  });

export interface PoorWeightInitializationParameters {
  /** A regular expression that `collection/name` of the activations' inputs matches. Default: inputs of rectified linear units. */
  readonly activationInputsRegex?: string | undefined;
  /** Largest ratio of the variances of two layers' activation inputs. Default: 10. */
  readonly threshold?: number | undefined;
  /** Least difference between the 5th and the 95th percentile of a kernel's gradients. Default: 0.001. */
  readonly distributionRange?: number | undefined;
  /** Steps in which the loss may not fall. Default: 5. */
  readonly patience?: number | undefined;
  /** Steps that are looked at, from the first. Default: 10. */
  readonly steps?: number | undefined;
}

/**
 * Fires where, in one of the first `steps`, the variances of the layers' activation inputs are further apart than `threshold`, the gradients of a
 * kernel (a tensor of two or more dimensions) all lie within `distributionRange`, or the loss has had no new lowest value for `patience` steps.
 */
export function poorWeightInitialization(parameters: PoorWeightInitializationParameters): TrainingRule {
  const { threshold = 10, distributionRange = 0.001, patience = 5, steps = 10 } = parameters;
  const pattern = new RegExp(parameters.activationInputsRegex ?? "^relu_input/");
  interface State extends Found {
    readonly seen: number;
    readonly lowest?: number | undefined;
    readonly waited: number;
  }
  const wrongIn = ({ tensors }: Observation): { message: string; tensor?: string } | undefined => {
    const variances = tensors.filter((tensor) => pattern.test(nameOf(tensor))).map(({ variance }) => variance);
    const ratio = Math.max(...variances) / Math.min(...variances);
    if (variances.length > 1 && ratio > threshold)
      return { message: `The variances of the layers' activation inputs are apart by a factor of ${said(ratio)}.` };
    const range = ({ percentiles = [0, Infinity] }: ObservedTensor): number => percentiles[1] - percentiles[0];
    const narrow = tensors.find(
      (tensor) => tensor.collection === "gradients" && tensor.rank > 1 && range(tensor) < distributionRange,
    );
    if (narrow === undefined) return undefined;
    const message = `90 % of ${nameOf(narrow)} lie within ${said(range(narrow))}.`;
    return { message, tensor: nameOf(narrow) };
  };
  return asRule<State>({
    name: "PoorWeightInitialization",
    needs: ["relu_input", "gradients", "losses"],
    firstSteps: steps,
    empty: { seen: 0, waited: 0 },
    update({ seen, lowest, waited }, observation) {
      const { step, mode, tensors } = observation;
      if (seen >= steps || mode === "validation") return { seen, lowest, waited };
      const loss = tensors.find(({ collection }) => collection === "losses")?.mean ?? Number.NaN;
      const lower = lowest === undefined || loss < lowest;
      const state = {
        seen: seen + 1,
        lowest: lower && !Number.isNaN(loss) ? loss : lowest,
        waited: lower ? 0 : waited + 1,
      };
      const late = `The loss has not fallen in the last ${state.waited} of the first steps.`;
      const wrong =
        wrongIn(observation) ?? (state.waited >= patience ? { message: late, tensor: "losses/train" } : undefined);
      return wrong === undefined ? state : { ...state, found: { step, ...wrong } };
    },
    verdict: verdictOf,
  });
}

export interface ClassImbalanceParameters {
  /** Largest ratio of the numbers of samples of the largest and the smallest class. Default: 10. */
  readonly thresholdImbalance?: number | undefined;
  /** Largest share of a class's samples that are predicted as another. Default: 0.7. */
  readonly thresholdMisprediction?: number | undefined;
  /** Labels to see before anything is said. Default: 500. */
  readonly samples?: number | undefined;
}

/**
 * Fires where, over all labels seen, the classes are further apart in number than `thresholdImbalance`, or of a class more than
 * `thresholdMisprediction` are predicted as another. A prediction is the class 1 from 0.5 on.
 */
export function classImbalance(parameters: ClassImbalanceParameters): TrainingRule {
  const { thresholdImbalance = 10, thresholdMisprediction = 0.7, samples = 500 } = parameters;
  interface State extends Found {
    readonly classes: Readonly<Record<string, readonly [samples: number, mispredicted: number]>>;
  }
  const wrongIn = (classes: State["classes"]): string | undefined => {
    const sizes = Object.values(classes).map(([size]) => size);
    if (sizes.reduce((sum, size) => sum + size, 0) < samples) return undefined;
    const ratio = Math.max(...sizes) / Math.min(...sizes);
    if (ratio > thresholdImbalance)
      return `The largest class has ${said(ratio)} times as many samples as the smallest.`;
    for (const [name, [size, missed]] of Object.entries(classes))
      if (missed / size > thresholdMisprediction)
        return `Of the class ${name}, ${said((100 * missed) / size)} % are predicted as another.`;
    return undefined;
  };
  return asRule<State>({
    name: "ClassImbalance",
    needs: ["labels", "predictions"],
    empty: { classes: {} },
    update({ classes }, { step, tensors, mode }) {
      const valuesOf = (wanted: TensorCollection): ArrayLike<number> =>
        tensors.find(({ collection }) => collection === wanted)?.values ?? [];
      const labels = valuesOf("labels");
      const predictions = valuesOf("predictions");
      if (labels.length === 0 || mode === "validation") return { classes };
      const next: Record<string, readonly [number, number]> = { ...classes };
      for (let row = 0; row < labels.length; row += 1) {
        const label = labels[row] as number;
        const prediction = predictions[row];
        const [size, missed] = next[label] ?? [0, 0];
        const wrong = prediction !== undefined && (prediction >= 0.5 ? 1 : 0) !== label;
        next[label] = [size + 1, missed + (wrong ? 1 : 0)];
      }
      const message = wrongIn(next);
      return message === undefined ? { classes: next } : { classes: next, found: { step, message } };
    },
    verdict: verdictOf,
  });
}
