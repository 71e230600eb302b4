import * as tuner from "../../packages/tuner/dist/index.js";
import * as insight from "../../packages/tuner/dist/insight.js";
import { type Subjects, well } from "./subjects.ts";

const { float, int } = tuner;
const space = { x: float(0, 1), n: int(1, 4) };
const trials = Array.from({ length: 24 }, (_, number) => ({
  number,
  state: "completed" as const,
  params: { x: (number % 7) / 7, n: 1 + (number % 4) },
  explanation: { sampler: "random" },
  values: [number % 5, number % 3],
  intermediates: [[0, number] as const],
  attempts: 1,
}));
const directions = ["minimize", "minimize"] as const;
const record = { space, directions, trials };
const recorded = insight.historyOf("s", record, trials);
/** The real one draws in the package's own test. */
const library = {
  compile: (chart: unknown) => ({ spec: chart }),
  parse: (spec: unknown) => spec,
  View: class {
    readonly #runtime: unknown;
    constructor(runtime: unknown) {
      this.#runtime = runtime;
    }
    async toSVG(): Promise<string> {
      return `<svg>${typeof this.#runtime}</svg>`;
    }
    finalize(): void {}
  },
};
const plot = insight.historyPlot(record);
const unknown = (call: () => unknown) => ({ RangeError: call });
const rounds = 12;

/** What the door `insight` gives: of a record that is read, all of it is data. */
export const insightSubjects: Subjects = {
  varianceShares: well(
    insight.varianceShares,
    () => [record, { trees: 4, interactions: true, estimate: "between-trees" }],
    unknown(() => insight.varianceShares(record, { objective: 2 })),
  ),
  permutationImportances: well(
    insight.permutationImportances,
    () => [record, { trees: 4, seed: 1 }],
    unknown(() => insight.permutationImportances(record, { trees: 0 })),
    rounds,
  ),
  shapleyImportances: well(
    insight.shapleyImportances,
    () => [record, { trees: 4, orders: 2, trials: [0, 3] }],
    unknown(() => insight.shapleyImportances(record, { orders: 0 })),
    rounds,
  ),
  historyPlot: well(insight.historyPlot, () => [record, 0]),
  slicePlot: well(
    insight.slicePlot,
    () => [record, "x", 0],
    unknown(() => insight.slicePlot(record, "depth")),
  ),
  contourPlot: well(
    insight.contourPlot,
    () => [record, "x", "n"],
    unknown(() => insight.contourPlot(record, "x", "depth")),
    rounds,
  ),
  parallelPlot: well(
    insight.parallelPlot,
    () => [record, ["x", "n"]],
    unknown(() => insight.parallelPlot(record, ["depth"])),
  ),
  paretoPlot: well(
    insight.paretoPlot,
    () => [record, [0, 1]],
    unknown(() => insight.paretoPlot(record, [0, 7])),
  ),
  curvesPlot: well(insight.curvesPlot, () => [record]),
  importancePlot: well(insight.importancePlot, () => [{ x: 0.5 }]),
  chartOf: well(insight.chartOf, () => [plot]),
  drawPlot: well(insight.drawPlot, () => [plot, library], {}, rounds),
  spaceHealth: well(insight.spaceHealth, () => [record]),
  explainTrial: well(
    insight.explainTrial,
    () => [record, 7, { nearest: 2 }],
    unknown(() => insight.explainTrial(record, 99)),
  ),
  historyOf: well(insight.historyOf, () => ["s", { space, directions }, trials]),
  replayStudy: well(
    insight.replayStudy,
    () => [recorded, { sampler: tuner.randomSampler(), pruner: tuner.medianPruner(), plannedTrials: 24 }],
    {},
    rounds,
  ),
  simulatePruner: well(insight.simulatePruner, () => [recorded, tuner.medianPruner()], {}, rounds),
  simulateSampler: well(
    insight.simulateSampler,
    () => [recorded, tuner.randomSampler(), { trials: 3, seed: 1 }],
    {},
    rounds,
  ),
  studyReport: well(insight.studyReport, () => [record, library, { title: "Study" }], {}, 4),
};
