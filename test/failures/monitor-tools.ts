import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf, profileOf } from "../../packages/data/dist/index.js";
import * as tools from "../../packages/monitor/dist/tools.js";
import { methods, type Subjects, well } from "./subjects.ts";

const table = (shift: number) =>
  batchOf({
    km: Array.from({ length: 40 }, (_, row) => (row % 7) + shift),
    kind: Array.from({ length: 40 }, (_, row) => (row % 3 === 0 ? "a" : "b")),
  });
const invalid = (call: () => unknown) => ({ MONITOR_PARAMETER_INVALID: call });
const values = [0.1, 0.2, 0.15, 0.3];
const columns = [
  { name: "km", drifted: true },
  { name: "kind", drifted: false },
];

const windowOf = (rows = table(0)) => ({ startMs: 0, endMs: 1, profile: profileOf(rows), rows });
const { rows: _rows, ...withoutRows } = windowOf();

const profiles = {
  evidentlyProfile: () => tools.evidentlyProfile(),
  nannymlProfile: () => tools.nannymlProfile(),
  sagemakerProfile: () => tools.sagemakerProfile(),
  alibiProfile: () => tools.alibiProfile(),
};
const strategies = {
  constantThreshold: () => tools.constantThreshold({ upper: 1 }),
  standardDeviationThreshold: () => tools.standardDeviationThreshold(),
  quantileThreshold: () => tools.quantileThreshold(),
  bootstrapThreshold: () => tools.bootstrapThreshold({ resamples: 5 }),
  adaptiveThreshold: () => tools.adaptiveThreshold(),
};

const comparing: Subjects = Object.assign(
  {},
  ...Object.entries(profiles).map(([name, create]) =>
    methods(`${name}()`, create, {
      compare: [
        () => [table(0), table(1)],
        { MONITOR_COLUMNS_DIFFER: () => create().compare(table(0), batchOf({ km: [1] })) },
      ],
    }),
  ),
) as Subjects;
const limiting: Subjects = Object.assign(
  {},
  ...Object.entries(strategies).map(([name, create]) => methods(`${name}()`, create, { limits: [() => [values]] })),
) as Subjects;

export const toolSubjects: Subjects = {
  ...comparing,
  ...limiting,
  evidentlyProfile: well(tools.evidentlyProfile, () => [{ share: 0.3, kinds: { km: "numerical" } }]),
  nannymlProfile: well(tools.nannymlProfile, () => [{ continuousMethod: "hellinger", categoricalMethod: "chi2" }]),
  sagemakerProfile: well(
    tools.sagemakerProfile,
    () => [{ comparisonMethod: "Simple", comparisonThreshold: 0.2 }],
    invalid(() => tools.sagemakerProfile({ comparisonThreshold: 3 })),
  ),
  alibiProfile: well(
    tools.alibiProfile,
    () => [{ significance: 0.01, correction: "fdr", categorical: ["kind"] }],
    invalid(() => tools.alibiProfile({ significance: 2 })),
  ),
  chunksBySize: well(
    tools.chunksBySize,
    () => [20, 6, { incomplete: "append" }],
    invalid(() => tools.chunksBySize(20, 0)),
  ),
  chunksByCount: well(
    tools.chunksByCount,
    () => [20, 6, { incomplete: "drop" }],
    invalid(() => tools.chunksByCount(3)),
  ),
  slidingChunks: well(
    tools.slidingChunks,
    () => [20, 6, { step: 2 }],
    invalid(() => tools.slidingChunks(20, 6, { step: -1 })),
  ),
  chunksByPeriod: well(
    tools.chunksByPeriod,
    () => [[1, 2, 3], "day"],
    invalid(() => tools.chunksByPeriod([2, 1], "day")),
  ),
  minimumChunkSize: well(
    tools.minimumChunkSize,
    () => [0.25, { standardError: 0.1 }],
    invalid(() => tools.minimumChunkSize(-1)),
  ),
  constantThreshold: well(
    tools.constantThreshold,
    () => [{ lower: 0, upper: 1 }],
    invalid(() => tools.constantThreshold({ lower: 2, upper: 1 })),
  ),
  standardDeviationThreshold: well(
    tools.standardDeviationThreshold,
    () => [{ below: 2, above: 3, from: "median" }],
    invalid(() => tools.standardDeviationThreshold({ above: -1 })),
  ),
  quantileThreshold: well(
    tools.quantileThreshold,
    () => [{ lower: 0.1, upper: 0.9 }],
    invalid(() => tools.quantileThreshold({ upper: 7 })),
  ),
  bootstrapThreshold: well(
    tools.bootstrapThreshold,
    () => [{ upper: 0.9, resamples: 5, random: createRandom(1) }],
    invalid(() => tools.bootstrapThreshold({ resamples: 0 })),
  ),
  adaptiveThreshold: well(
    tools.adaptiveThreshold,
    () => [{ halfLife: 3 }],
    invalid(() => tools.adaptiveThreshold({ halfLife: 0 })),
  ),
  clipLimits: well(tools.clipLimits, () => [
    { lower: -1, upper: 2 },
    { lowest: 0, highest: 1 },
  ]),
  isBeyond: well(tools.isBeyond, () => [3, { upper: 1 }]),
  toolMonitor: well(tools.toolMonitor, () => [tools.evidentlyProfile()], {
    MONITOR_ROWS_INVALID: () => tools.toolMonitor(tools.evidentlyProfile())([]),
  }),
  ...methods("toolMonitor()", () => tools.toolMonitor(tools.evidentlyProfile())([windowOf()]), {
    judge: [
      () => [windowOf(table(1))],
      { MONITOR_ROWS_INVALID: () => tools.toolMonitor(tools.evidentlyProfile())([windowOf()]).judge(withoutRows) },
    ],
  }),
  datasetDrift: well(
    tools.datasetDrift,
    () => [columns, { share: 0.5, weights: { km: 1 }, keys: ["km"] }],
    invalid(() => tools.datasetDrift(columns, { share: 7 })),
  ),
};
