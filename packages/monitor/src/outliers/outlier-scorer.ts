import type { Batch } from "@millwright/contracts";
import { outlierModelInvalid } from "../errors.ts";
import { positionsIn, readFeatures, readValue } from "../features/feature-table.ts";
import { type ScoreColumn, scoreOf, scoresOf } from "../features/standard-scores.ts";
import { residualOf } from "../multivariate/reconstruction.ts";
import { compileForest } from "./isolation-forest.ts";
import type { OutlierModel } from "./outlier-model.ts";
import { modelProblem } from "./model-problem.ts";

/** Where a request goes: to the model, or to what takes outliers. */
export interface OutlierRoute {
  readonly route: "model" | "outlier";
  readonly score: number;
  readonly threshold: number;
}

export interface OutlierScorer {
  readonly threshold: number;
  /** The higher, the stranger; Infinity where a number is infinite. Missing values count as usual ones. Throws `MONITOR_ROWS_INVALID` for a value of another kind. */
  score(row: Readonly<Record<string, unknown>>): number;
  /** As `score`, for each row of a batch. Throws `MONITOR_ROWS_INVALID`. */
  scores(rows: Batch): Float64Array;
  /** `outlier` where the score is above the threshold. Throws `MONITOR_ROWS_INVALID`. */
  route(row: Readonly<Record<string, unknown>>): OutlierRoute;
}

/** Makes a model ready to score, also one that was JSON on the way. Throws `MONITOR_OUTLIER_MODEL_INVALID`. */
export function compileOutlierModel(model: OutlierModel): OutlierScorer {
  const problem = modelProblem(model);
  if (problem !== undefined) throw outlierModelInvalid(problem);
  return compileScorer(model);
}

/** As `compileOutlierModel`, for a model that is known to be one. */
export function compileScorer(model: OutlierModel): OutlierScorer {
  const { columns, threshold } = model;
  const judge = judgeOf(model);
  const positions = columns.map(({ feature }) => positionsIn(feature));
  const score = (row: Readonly<Record<string, unknown>>): number => {
    const scores = new Float64Array(columns.length);
    for (const [index, column] of columns.entries()) {
      const given = Object.hasOwn(row, column.feature.name) ? row[column.feature.name] : undefined;
      const value = readValue(given, column.feature, positions[index]!);
      if (value === Infinity || value === -Infinity) return Infinity;
      scores[index] = scoreOf(value, column, given);
    }
    return judge(scores);
  };
  return {
    threshold,
    score,
    scores: (rows) => {
      const { width, values } = scoresOf(rows, columns);
      const infinite = infiniteRows(rows, columns);
      return Float64Array.from({ length: rows.length }, (_, row) =>
        infinite.has(row) ? Infinity : judge(values.subarray(row * width, (row + 1) * width)),
      );
    },
    route: (row) => {
      const found = score(row);
      return { route: found > threshold ? "outlier" : "model", score: found, threshold };
    },
  };
}

function infiniteRows(rows: Batch, columns: readonly ScoreColumn[]): ReadonlySet<number> {
  const found = new Set<number>();
  const numbers = columns.map(({ feature }) => feature).filter(({ kind }) => kind === "number");
  for (const values of readFeatures(rows, numbers))
    for (const [row, value] of values.entries()) if (value === Infinity || value === -Infinity) found.add(row);
  return found;
}

function judgeOf(model: OutlierModel): (scores: Float64Array) => number {
  switch (model.kind) {
    case "isolation-forest":
      return compileForest(model.forest);
    case "reconstruction":
      return (scores) => residualOf(scores, model.components);
    case "mahalanobis":
      return (scores) => {
        let squares = 0;
        for (const direction of model.directions) {
          let product = 0;
          for (let column = 0; column < scores.length; column += 1) product += direction[column]! * scores[column]!;
          squares += product * product;
        }
        return Math.sqrt(squares);
      };
  }
}
