import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf, profileOf, sliceBatch } from "../../packages/data/dist/index.js";
import * as multivariate from "../../packages/monitor/dist/multivariate.js";
import { methods, type Subjects, well } from "./subjects.ts";

const random = createRandom(1);
const draw = (): Float64Array => Float64Array.from({ length: 60 }, () => random.normal());
const rows = batchOf({ a: draw(), b: draw() });
const options = { columns: ["a", "b"], permutations: 20, maxRows: 20, random };
const window = { startMs: 0, endMs: 1, profile: profileOf(rows), rows };
const history = [window, window];

const lacking = (call: () => unknown) => ({ MONITOR_ROWS_INVALID: call });
const small = { permutations: 20, maxRows: 40, minimumRows: 20 };
const factories = [
  [multivariate.reconstructionDrift, { deviations: 2, varianceShare: 0.5, minimumRows: 20 }],
  [multivariate.domainClassifierDrift, { folds: 2, lower: 0.4, upper: 0.6, minimumRows: 20 }],
  [multivariate.meanDiscrepancyDrift, small],
  [multivariate.densityDifferenceDrift, small],
] as const;

/** What `@millwright/monitor/multivariate` offers. */
export const multivariateSubjects: Subjects = {
  fitReconstruction: well(
    multivariate.fitReconstruction,
    () => [rows, { columns: ["a", "b"], varianceShare: 0.9 }],
    lacking(() => multivariate.fitReconstruction(rows, { columns: ["none"] })),
  ),
  reconstructionErrors: well(
    multivariate.reconstructionErrors,
    () => [multivariate.fitReconstruction(rows), rows],
    lacking(() => multivariate.reconstructionErrors(multivariate.fitReconstruction(rows), batchOf({ a: [1] }))),
  ),
  classifyDomains: well(
    multivariate.classifyDomains,
    () => [rows, rows, { columns: ["a"], folds: 2, random }],
    lacking(() => multivariate.classifyDomains(rows, sliceBatch(rows, 0, 2))),
  ),
  rankDriftImpact: well(
    multivariate.rankDriftImpact,
    () => [rows, rows, draw(), { columns: ["a"], importances: { a: 1 }, bins: 4 }],
    lacking(() => multivariate.rankDriftImpact(rows, rows, [1])),
  ),
  maximumMeanDiscrepancy: well(
    multivariate.maximumMeanDiscrepancy,
    () => [rows, rows, options],
    lacking(() => multivariate.maximumMeanDiscrepancy(rows, sliceBatch(rows, 0, 1))),
  ),
  leastSquaresDensityDifference: well(
    multivariate.leastSquaresDensityDifference,
    () => [rows, rows, options],
    lacking(() => multivariate.leastSquaresDensityDifference(rows, batchOf({ a: ["x"] }))),
  ),
  ...Object.fromEntries(
    factories.map(([factory, each]) => [
      factory.name,
      well(
        factory,
        () => [each],
        lacking(() => factory()([])),
      ),
    ]),
  ),
  ...methods("reconstructionDrift()", () => multivariate.reconstructionDrift()(history), { judge: [() => [window]] }),
};
