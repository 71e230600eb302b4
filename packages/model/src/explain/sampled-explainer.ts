import { type Clock, type Tensors, createRandom } from "@millwright/contracts";
import { inputMismatch } from "../errors.ts";
import type { Explanation, ExplanationScale } from "./explanation.ts";
import { type Players, widthOf } from "./players.ts";
import { type TensorExplainer, askedRows } from "./row-explainer.ts";
import { shapleyValues } from "./shapley.ts";
import { type ShapleyValues, baseOf } from "./shapley-game.ts";
import { type OutputNumbers, type Predict, rowsOf, tensorGame } from "./tensor-game.ts";

export interface SampledExplainerOptions {
  readonly scale: ExplanationScale;
  readonly players: Players;
  readonly background: Tensors;
  readonly predict: Predict;
  readonly outputs: OutputNumbers;
  /** What the background rows are answered with, [rows, outputs]. */
  readonly answers: Float64Array;
  readonly maxEvaluations: number;
  readonly seed: number;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** Asks the model for mixtures of a row and background rows: exact for few columns, else an estimate that says how far off it may be. */
export function sampledExplainer(options: SampledExplainerOptions): TensorExplainer {
  const { scale, players, background, outputs, answers, clock } = options;
  return {
    scale,
    features: players.names,
    outputs: outputs.names,
    async explain(inputs, asked = {}) {
      checkInputs(inputs, players, background);
      const { rows, untilMs, signal } = askedRows(rowsOf(inputs), asked, clock);
      const found: ShapleyValues[] = [];
      for (const [at, row] of rows.entries()) {
        // What is left of the time is for all rows that are left.
        const now = clock.monotonicMs();
        const until = untilMs === Infinity ? Infinity : now + (untilMs - now) / (rows.length - at);
        const values = await shapleyValues(tensorGame(inputs, row, { ...options, signal }), answers, {
          maxEvaluations: asked.maxEvaluations ?? options.maxEvaluations,
          untilMs: until,
          clock,
          // The same row has the same explanation, wherever it stands.
          random: createRandom(options.seed),
          signal,
        });
        if (values === undefined) break;
        found.push(values);
      }
      return explanationOf(options, rows.slice(0, found.length), found);
    },
  };
}

function explanationOf(
  { scale, players, outputs, background, answers }: SampledExplainerOptions,
  rows: readonly number[],
  found: readonly ShapleyValues[],
): Explanation {
  const exact = found.every((each) => each.exact);
  const base = baseOf({ outputs: outputs.names.length, others: rowsOf(background) }, answers);
  const joined = (of: (values: ShapleyValues) => Float64Array): Float64Array =>
    Float64Array.from(found.flatMap((values) => Array.from(of(values))));
  const told = { scale, features: players.names, outputs: outputs.names, rows, base };
  const evaluations = found.reduce((sum, each) => sum + each.evaluations, 0);
  return {
    method: exact ? "exact-shapley" : "sampled-shapley",
    exact,
    ...told,
    contributions: joined(({ contributions }) => contributions),
    values: joined(({ values }) => values),
    ...(exact
      ? {}
      : {
          standardErrors: joined(({ standardErrors, contributions }) => standardErrors ?? contributions.map(() => 0)),
        }),
    evaluations,
  };
}

/** Throws `MODEL_INPUT_MISMATCH`. */
function checkInputs(inputs: Tensors, players: Players, background: Tensors): void {
  const rows = rowsOf(inputs);
  for (const name of Object.keys(players.owners)) {
    const [given, known] = [inputs[name], background[name]];
    const width = known === undefined ? 0 : widthOf(known);
    const expected = `"${name}" with ${width} values a row`;
    if (given === undefined || known === undefined) throw inputMismatch(name, "it is missing", expected);
    const floating = [given, known].every(({ dtype }) => dtype === "float32" || dtype === "float64");
    if (given.dtype !== known.dtype && !floating) throw inputMismatch(name, `its type is ${given.dtype}`, expected);
    if (given.shape[0] !== rows || given.data.length !== rows * width)
      throw inputMismatch(name, `its shape is [${given.shape.join(", ")}] with ${given.data.length} values`, expected);
  }
}
