import * as data from "../../packages/data/dist/index.js";
import { batch, dataset, mismatch, missing, other, outOfRange, profile, schema, signal } from "./data-samples.ts";
import { type Failures, methods, type Subjects, well } from "./subjects.ts";

const references = { towns: await data.readReferenceKeys(data.datasetOf([data.batchOf({ name: ["a"] })]), "name") };
const set = data.defineExpectations([
  data.expectComplete("km", { mostly: 0.5 }),
  data.expectUnique(["at", "city"]),
  data.expectReferences("city", "towns"),
  data.expectMonotonic("at"),
]);
const otherSet = data.defineExpectations([data.expectRowCount({ min: 1 })]);
const run = (wanted: data.ExpectationSet = set): data.ExpectationRun =>
  data.createExpectationRun(schema, wanted, { references });
const running = run();
running.update(batch);
const state = running.state();

const invalid = (call: () => unknown): Failures => ({ DATA_EXPECTATIONS_INVALID: call });
/** The builders check their arguments; what the whole set must keep is checked where it is defined. */
const refused = (draft: data.ExpectationDraft): Failures => invalid(() => data.defineExpectations([draft]));

const builders: Subjects = {
  expectComplete: well(data.expectComplete, () => ["km", { mostly: 0.9, severity: "warning", name: "far" }]),
  expectUnique: well(data.expectUnique, () => [["km", "city"], { mostly: 0.9 }], refused(data.expectUnique([]))),
  expectBetween: well(
    data.expectBetween,
    () => ["km", { min: 0, max: 10, mostly: 1 }],
    refused(data.expectBetween("km", {})),
  ),
  expectMatch: well(data.expectMatch, () => ["city", /^[a-z]$/u, {}], refused(data.expectMatch("city", "("))),
  expectOneOf: well(data.expectOneOf, () => ["city", ["a", "b", 1, 2n, true], {}]),
  expectCompare: well(data.expectCompare, () => ["km", "<", "km", { mostly: 0.1 }]),
  expectReferences: well(data.expectReferences, () => ["city", "towns", {}]),
  expectMonotonic: well(data.expectMonotonic, () => ["at", { direction: "falling", strict: true }]),
  expectRowCount: well(
    data.expectRowCount,
    () => [{ min: 1, max: 10 }],
    refused(data.expectRowCount({ min: 3, max: 2 })),
  ),
  expectFresh: well(
    data.expectFresh,
    () => ["at", { maxAgeMs: 1_000, name: "fresh" }],
    refused(data.expectFresh("at", { maxAgeMs: -1 })),
  ),
  expectStatistic: well(data.expectStatistic, () => ["km", "mean", { min: 1, max: 10 }]),
  expectDistribution: well(data.expectDistribution, () => [
    "km",
    profile.columns["km"],
    { maxDistance: 0.1, method: "Simple" },
  ]),
};

export const expectations: Subjects = {
  ...builders,
  defineExpectations: well(
    data.defineExpectations,
    () => [[data.expectComplete("km"), data.expectUnique("city")]],
    refused({ kind: "odd" }),
  ),
  parseExpectations: well(
    data.parseExpectations,
    () => [structuredClone(set)],
    {
      ...invalid(() => data.parseExpectations({ formatVersion: 1, expectations: [{ kind: "complete" }] })),
      DATA_VERSION_UNSUPPORTED: () => data.parseExpectations({ ...set, formatVersion: 2 }),
    },
    200,
  ),
  readReferenceKeys: well(data.readReferenceKeys, () => [dataset, "city", { maxKeys: 10, signal }], {
    ...missing(() => data.readReferenceKeys(dataset, "town")),
    ...outOfRange(() => data.readReferenceKeys(dataset, "city", { maxKeys: 0 })),
  }),
  createExpectationRun: well(
    data.createExpectationRun,
    () => [schema, set, { references, maxKeys: 10, maxSamples: 5 }],
    { TypeError: () => data.createExpectationRun(schema, set) },
    120,
  ),
  ...methods("createExpectationRun()", run, {
    update: [() => [batch], missing(() => run().update(other))],
    state: [],
  }),
  mergeExpectationStates: well(
    data.mergeExpectationStates,
    () => [state, state],
    mismatch(() => data.mergeExpectationStates(state, run(otherSet).state())),
    120,
  ),
  reportExpectations: well(data.reportExpectations, () => [state, { nowMs: 5 }], {}, 120),
  evaluateExpectations: well(
    data.evaluateExpectations,
    () => [dataset, set, { references, nowMs: 5, maxKeys: 10, maxSamples: 5, signal }],
    { TypeError: () => data.evaluateExpectations(dataset, set) },
    120,
  ),
};
