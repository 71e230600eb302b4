import { rowStart } from "../gp/cholesky.ts";
import type { KernelFrame } from "../gp/kernel.ts";
import { type Machine, machine } from "./machine.ts";

/** With fewer observations or queries, it costs more than it saves. */
const FEWEST_ROWS = 8;
const FEWEST_QUERIES = 4;

/** What is asked: observed points as the kernel reads them, the factor L of their covariance, L⁻¹ y and K⁻¹ y. */
export interface QuickModel {
  readonly frame: KernelFrame;
  readonly framed: Float64Array;
  readonly factor: Float64Array;
  readonly whitened: Float64Array;
  readonly weights: Float64Array;
}

interface Places {
  readonly framed: number;
  readonly pairs: number;
  readonly factor: number;
  readonly whitened: number;
  readonly weights: number;
  readonly kinds: number;
  /** Four points interleaved, or one. */
  readonly asked: number;
  readonly block: number;
  readonly solved: number;
  readonly slopes: number;
  readonly pulled: number;
  readonly moved: number;
  readonly out: number;
}

const placesOf = new WeakMap<QuickModel, Places>();

/** Puts a model into the machine's memory, if it is not there yet. */
function load(own: Machine, model: QuickModel): Places | undefined {
  const known = placesOf.get(model);
  if (known !== undefined && own.belongsTo(model)) return known;
  const { frame, framed, factor, whitened, weights } = model;
  const { dimensions } = frame;
  const count = whitened.length;
  const even = count + (count % 2);
  const starts = own.take(model, [
    count * dimensions + 2,
    even * dimensions,
    rowStart(count),
    even,
    even,
    dimensions,
    4 * dimensions + 2,
    4 * count,
    even,
    even,
    even,
    dimensions + 2,
    8,
  ]);
  if (starts === undefined) return undefined;
  const places: Places = {
    framed: starts[0],
    pairs: starts[1],
    factor: starts[2],
    whitened: starts[3],
    weights: starts[4],
    kinds: starts[5],
    asked: starts[6],
    block: starts[7],
    solved: starts[8],
    slopes: starts[9],
    pulled: starts[10],
    moved: starts[11],
    out: starts[12],
  };
  const { floats } = own;
  floats.set(framed.subarray(0, count * dimensions), places.framed);
  floats.set(factor.subarray(0, rowStart(count)), places.factor);
  floats.set(whitened, places.whitened);
  floats.set(weights, places.weights);
  floats.set(frame.weights, places.kinds);
  for (let row = 0; row < even; row += 1) {
    const to = places.pairs + (row - (row % 2)) * dimensions + (row % 2);
    const from = Math.min(row, count - 1) * dimensions;
    for (let k = 0; k < dimensions; k += 1) floats[to + 2 * k] = framed[from + k] as number;
  }
  placesOf.set(model, places);
  return places;
}

export interface BatchAnswer {
  /** Of every query, its mean. */
  readonly means: Float64Array;
  /** Σ vᵢ² of v = L⁻¹ k(x), of the first `rows` values. */
  readonly squares: Float64Array;
  /** The last values of L⁻¹ k(x), per query. */
  readonly last: Float64Array;
}

export interface BatchOptions {
  /** For so many observations the triangular system is solved: for all, or means are those of K⁻¹ y. */
  readonly rows: number;
  readonly last: number;
}

/** Four queries at a time. `undefined` where it is no gain, or cannot be done. */
export function answerBatch(
  model: QuickModel,
  asked: Float64Array,
  queries: number,
  options: BatchOptions,
): BatchAnswer | undefined {
  if (queries < FEWEST_QUERIES || model.whitened.length < FEWEST_ROWS) return undefined;
  const own = machine();
  const places = own === undefined ? undefined : load(own, model);
  return own === undefined || places === undefined ? undefined : answer(own, places, model, asked, queries, options);
}

function answer(
  { kernels, floats }: Machine,
  places: Places,
  { frame, whitened }: QuickModel,
  asked: Float64Array,
  queries: number,
  { rows, last }: BatchOptions,
): BatchAnswer {
  const { dimensions, numeric, scale } = frame;
  const count = whitened.length;
  const { asked: four, block, out, framed, factor, kinds } = places;
  const means = new Float64Array(queries);
  const squares = new Float64Array(queries);
  const ends = new Float64Array(queries * last);
  for (let first = 0; first < queries; first += 4) {
    const width = Math.min(4, queries - first);
    for (let lane = 0; lane < 4; lane += 1) {
      const from = (first + Math.min(lane, width - 1)) * dimensions;
      for (let k = 0; k < dimensions; k += 1) floats[four + 4 * k + lane] = asked[from + k] as number;
    }
    kernels.covariancesOfFour(8 * four, 8 * framed, count, dimensions, numeric, 8 * kinds, scale, 8 * block);
    if (rows < count) {
      kernels.projectFour(8 * block, 8 * places.weights, count, 8 * out);
      for (let lane = 0; lane < width; lane += 1) means[first + lane] = floats[out + lane] as number;
    }
    kernels.solveFour(8 * factor, rows, 8 * block);
    kernels.projectFour(8 * block, 8 * places.whitened, rows, 8 * out);
    for (let lane = 0; lane < width; lane += 1) {
      if (rows === count) means[first + lane] = floats[out + lane] as number;
      squares[first + lane] = floats[out + 4 + lane] as number;
      for (let k = 0; k < last; k += 1)
        ends[(first + lane) * last + k] = floats[block + 4 * (rows - last + k) + lane] as number;
    }
  }
  return { means, squares, last: ends };
}

/** After so few answers, a model that another one drove out does not come back: they would drive out each other again and again. */
const FEWEST_ANSWERS = 8;

/** What is known at one point; `solved` and the way back are good until the next. */
export interface PointAnswer {
  readonly mean: number;
  readonly square: number;
  readonly solved: Float64Array;
  /** Writes to `moved`, for each numeric place of the frame, Σ (L⁻ᵀ bySolved)ᵢ slopeᵢ (x − xᵢ). */
  pullSolved(bySolved: Float64Array, moved: Float64Array): void;
  /** The same of `bySolved` = byMean · L⁻¹ y − 2 byVariance · solved. */
  pull(byMean: number, byVariance: number, moved: Float64Array): void;
}

/** Answers point by point; `undefined` where it is no gain, or cannot be done. */
export function pointAnswers(model: QuickModel): (asked: Float64Array) => PointAnswer | undefined {
  const count = model.whitened.length;
  const solved = new Float64Array(count);
  let answers = FEWEST_ANSWERS;
  return (asked) => {
    const own = count < FEWEST_ROWS ? undefined : machine();
    if (own === undefined) return undefined;
    if (!own.belongsTo(model)) {
      if (answers < FEWEST_ANSWERS) return undefined;
      answers = 0;
    }
    const places = enter(own, model, asked);
    if (places === undefined) return undefined;
    answers += 1;
    const { kernels, floats } = own;
    kernels.project(8 * places.solved, 8 * places.whitened, count, 8 * places.out);
    solved.set(floats.subarray(places.solved, places.solved + count));
    // Another model may come between.
    const returned = (): Places => (own.belongsTo(model) ? places : (enter(own, model, asked) ?? places));
    return {
      mean: floats[places.out] as number,
      square: floats[places.out + 1] as number,
      solved,
      pullSolved(bySolved, moved) {
        const at = returned();
        own.floats.set(bySolved, at.pulled);
        pullBack(own, model, at, moved);
      },
      pull(byMean, byVariance, moved) {
        const at = returned();
        kernels.combine(8 * at.whitened, 8 * at.solved, count, byMean, 2 * byVariance, 8 * at.pulled);
        pullBack(own, model, at, moved);
      },
    };
  };
}

/** Computes the covariances with one point, and solves for them. */
function enter(own: Machine, model: QuickModel, asked: Float64Array): Places | undefined {
  const at = load(own, model);
  if (at === undefined) return undefined;
  const { dimensions, numeric, scale } = model.frame;
  const count = model.whitened.length;
  own.floats.set(asked, at.asked);
  const [pairs, kinds, solved, slopes] = [8 * at.pairs, 8 * at.kinds, 8 * at.solved, 8 * at.slopes];
  own.kernels.covariancesOfOne(8 * at.asked, pairs, count, dimensions, numeric, kinds, scale, solved, slopes);
  own.kernels.solveLower(8 * at.factor, count, solved);
  return at;
}

function pullBack(
  { kernels, floats }: Machine,
  { frame, whitened }: QuickModel,
  at: Places,
  moved: Float64Array,
): void {
  const { dimensions, numeric } = frame;
  const count = whitened.length;
  kernels.solveUpper(8 * at.factor, count, 8 * at.pulled);
  const [from, to] = [8 * at.pulled, 8 * at.moved];
  kernels.pullBack(8 * at.asked, 8 * at.framed, count, dimensions, numeric, from, 8 * at.slopes, to);
  for (let k = 0; k < numeric; k += 1) moved[k] = floats[at.moved + k] as number;
}
