import { setImmediate } from "node:timers/promises";
import { notConverged } from "./errors.ts";
import { type LinearProblem, fillHessianBlock, gradientAt, objectiveAt, predictionsOf, sumsAt } from "./linear-loss.ts";
import { descend, solveCholesky } from "./linear-solve.ts";

export interface NewtonOptions {
  readonly maxIterations: number;
  readonly signal?: AbortSignal | undefined;
}

/** Steps smaller than this, by the largest parameter, end the search: they are squared from one iteration to the next. */
const smallStep = 1e-9;

/**
 * The parameters of least loss and penalties, by Newton's method, proximal where there is L1 (Lee, Sun and Saunders, 2014), from the problem's start, halving steps that do not lower the objective.
 * Throws `ALGORITHMS_NOT_CONVERGED`.
 */
export async function minimize(
  problem: LinearProblem,
  { maxIterations, signal }: NewtonOptions,
): Promise<{
  readonly parameters: Float64Array;
  readonly iterations: number;
}> {
  let parameters: Float64Array = problem.start.slice();
  let objective = objectiveAt(problem, parameters);
  for (let iteration = 1; iteration <= maxIterations; iteration += 1) {
    const step = await stepFrom(problem, parameters, signal);
    const next = shortened(problem, parameters, objective, step);
    const moved = largestOf(step);
    if (next === undefined || moved <= smallStep * Math.max(1, largestOf(parameters))) {
      // Nothing lower is left but rounding.
      if (moved > 1e-6 * Math.max(1, largestOf(parameters))) throw notConverged(iteration, moved);
      return { parameters: next?.parameters ?? parameters, iterations: iteration };
    }
    ({ parameters, objective } = next);
  }
  throw notConverged(maxIterations, Number.NaN);
}

const largestOf = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

async function stepFrom(
  problem: LinearProblem,
  parameters: Float64Array,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const predictions = predictionsOf(problem, sumsAt(problem, parameters));
  const gradient = gradientAt(problem, parameters, predictions);
  const hessian = await hessianAt(problem, predictions, signal);
  if (problem.l1.some((penalty) => penalty > 0)) return descend(hessian, gradient, parameters, problem.l1, 20_000);
  const step = solveCholesky(
    hessian,
    gradient.map((slope) => -slope),
  );
  if (step === undefined) throw notConverged(1, Number.POSITIVE_INFINITY);
  return step;
}

async function hessianAt(
  problem: LinearProblem,
  predictions: Float64Array,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const { outputs, columns, l1, l2, kind } = problem;
  const width = columns.length + 1;
  const size = width * outputs;
  const hessian = new Float64Array(size * size);
  for (let one = 0; one < outputs; one += 1) {
    for (let other = 0; other <= one; other += 1) {
      signal?.throwIfAborted();
      fillHessianBlock(problem, predictions, one, other, hessian);
      await setImmediate();
    }
  }
  for (let index = 0; index < size; index += 1) hessian[index * size + index]! += l2[index]!;
  if (kind !== "softmax") return hessian;
  // To add the same to all classes changes nothing: where no penalty settles it, their sum stays at 0, where it begins.
  for (let feature = 0; feature < width; feature += 1) {
    if (l1[feature] !== 0 || l2[feature] !== 0) continue;
    for (let one = 0; one < outputs; one += 1)
      for (let other = 0; other < outputs; other += 1)
        hessian[(one * width + feature) * size + other * width + feature]! += 1;
  }
  return hessian;
}

/** @returns the first of the step, its half, its quarter, … that lowers the objective; undefined where none does. */
function shortened(problem: LinearProblem, from: Float64Array, objective: number, step: Float64Array) {
  for (let share = 1; share > 1e-9; share /= 2) {
    const parameters = from.map((value, index) => value + share * step[index]!);
    const lower = objectiveAt(problem, parameters);
    if (lower < objective) return { parameters, objective: lower };
    // At the very minimum a step of rounding is as good as none.
    if (share === 1 && largestOf(step) <= smallStep * Math.max(1, largestOf(from))) return undefined;
  }
  return undefined;
}
