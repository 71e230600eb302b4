import { type ChoicesState, startChoices, updateChoices } from "./choices.ts";
import { applySpectral } from "./eigen.ts";
import { type GaussianState, gaussianSettings, norm, updateGaussian } from "./gaussian.ts";
import type { Layout, SearchState } from "./layout.ts";
import { type LearningRates, adaptLearningRate, startLearningRates } from "./learning-rate.ts";
import { applyMargin } from "./margin.ts";

/** A member of a generation: where it was, and whether this generation's distribution did not draw it. */
export interface Member {
  readonly point: ArrayLike<number>;
  readonly foreign: boolean;
}

/** The distribution after some generations, with what the next one needs. Never changed in place. */
export interface FoldState extends SearchState {
  readonly rates: LearningRates;
}

export function startFold(layout: Layout, gaussian: GaussianState, population: number): FoldState {
  const stretch = new Float64Array(layout.axes.length).fill(1);
  return {
    ...withMargin(layout, gaussian, stretch, population),
    choices: startChoices(layout.categories.map(({ size }) => size)),
    rates: startLearningRates(layout.axes.length),
  };
}

/** Coordinates of the normal distribution. */
export const axesOf = ({ axes }: Layout, point: ArrayLike<number>): Float64Array =>
  Float64Array.from(axes, (coordinate) => point[coordinate] as number);

/**
 * The state after one more generation.
 * @param members Best first.
 */
export function foldGeneration(
  layout: Layout,
  state: FoldState,
  members: readonly Member[],
  { population, adaptRates }: { readonly population: number; readonly adaptRates: boolean },
): FoldState {
  const mixed = layout.categories.length > 0;
  const settings = gaussianSettings(Math.max(1, layout.axes.length), members.length, !mixed);
  const choices: ChoicesState = mixed
    ? updateChoices(
        state.choices,
        members.map(({ point }) =>
          layout.categories.map(({ coordinate, size }) =>
            Math.min(size - 1, Math.floor((point[coordinate] as number) * size)),
          ),
        ),
        settings.weights,
      )
    : state.choices;
  if (layout.axes.length === 0) return { ...state, choices };
  const points = members.map(({ point, foreign }) => {
    const axes = axesOf(layout, point);
    return foreign ? shorten(state.gaussian, axes) : axes;
  });
  const updated = updateGaussian(state.gaussian, settings, points);
  const adapted = adaptRates
    ? adaptLearningRate(state.gaussian, updated, state.rates)
    : { state: updated, rates: state.rates };
  return { ...withMargin(layout, adapted.state, state.stretch, population), choices, rates: adapted.rates };
}

function withMargin(
  layout: Layout,
  gaussian: GaussianState,
  stretch: Float64Array,
  population: number,
): Pick<FoldState, "gaussian" | "stretch"> {
  if (layout.discrete.length === 0) return { gaussian, stretch };
  const margin = 1 / (layout.axes.length * population);
  const corrected = applyMargin(gaussian, stretch, layout.discrete, margin);
  return { gaussian: { ...gaussian, mean: corrected.mean }, stretch: corrected.stretch };
}

/**
 * A point that the distribution would hardly have drawn, moved towards the mean, so that it does not tear the distribution apart:
 * Hansen, "Injecting external solutions into CMA-ES", arXiv 1110.4181, eq. 4, with c_y = √n + 2n / (n + 2).
 */
function shorten(state: GaussianState, point: Float64Array): Float64Array {
  const n = point.length;
  const step = point.map((value, axis) => (value - (state.mean[axis] as number)) / state.sigma);
  const inverse = state.eigen.values.map((value) => 1 / Math.sqrt(value));
  const length = norm(applySpectral(state.eigen, inverse, step));
  const most = Math.sqrt(n) + (2 * n) / (n + 2);
  if (length <= most) return point;
  return step.map((value, axis) => (state.mean[axis] as number) + (state.sigma * value * most) / length);
}

/** Whether two generations were learned from the same points. */
export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((member, index) => {
    const other = b[index] as Member;
    if (member.foreign !== other.foreign) return false;
    if (member.point === other.point) return true;
    if (member.point.length !== other.point.length) return false;
    for (let axis = 0; axis < member.point.length; axis += 1)
      if (member.point[axis] !== other.point[axis]) return false;
    return true;
  });
}
