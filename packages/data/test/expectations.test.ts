import { createRandom, type ColumnType, type Dataset } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  column,
  createDataset,
  createExpectationRun,
  datasetOf,
  defineExpectations,
  evaluateExpectations,
  expectBetween,
  expectCompare,
  expectComplete,
  expectDistribution,
  expectFresh,
  expectMatch,
  expectMonotonic,
  expectOneOf,
  expectReferences,
  expectRowCount,
  expectStatistic,
  expectUnique,
  mergeExpectationStates,
  parseExpectations,
  profileOf,
  readReferenceKeys,
  reportExpectations,
  schemaOf,
  sliceBatch,
  type ExpectationReport,
  type ExpectationSet,
  type ReferenceKeys,
} from "../src/index.ts";
import { rowRules } from "./expectation-row-rules.ts";
import { nowMs, type Rows, type Rule } from "./expectation-rule.ts";
import { tableRules } from "./expectation-table-rules.ts";

const keysOf = (type: ColumnType, values: readonly (string | bigint)[]): Promise<ReferenceKeys> =>
  readReferenceKeys(datasetOf([batchOf({ key: column(type, values) })]), "key");

const references = {
  carriers: await keysOf("utf8", ["AA", "UA", "AA"]),
  ids: await keysOf("int64", [1n, 2n]),
};

function tableOf(types: Rule["types"], rows: Rows): Dataset {
  const columns = Object.entries(types).map(([name, type]) => [name, column(type, rows[name] ?? [])] as const);
  const batch = batchOf(Object.fromEntries(columns));
  // In batches of two rows: what spans a cut must be found as well.
  return createDataset({
    schema: schemaOf(batch),
    *walk({ columns: names }) {
      expect(names.length).toBeGreaterThan(0);
      for (let start = 0; start < batch.length; start += 2) yield sliceBatch(batch, start, start + 2);
    },
  });
}

const evaluate = (set: ExpectationSet, types: Rule["types"], rows: Rows): Promise<ExpectationReport> =>
  evaluateExpectations(tableOf(types, rows), set, { references, nowMs });

test("DQ-4: sixty rules of twelve kinds on passing, failing, boundary and empty tables", async () => {
  const rules = [...rowRules, ...tableRules];
  expect(rules).toHaveLength(60);
  expect(new Set(rules.map(({ draft }) => draft.kind)).size).toBe(12);
  let cases = 0;
  for (const { draft, types, pass, fail, boundary, empty } of rules) {
    const written = JSON.stringify(defineExpectations([draft]));
    const set = parseExpectations(JSON.parse(written));
    const results = [
      await evaluate(set, types, pass),
      await evaluate(set, types, fail[0]),
      await evaluate(set, types, boundary[0]),
      await evaluate(set, types, {}),
    ];
    const label = `${set.expectations[0]!.name} ${written.slice(0, 200)}`;
    const [passed, failed, onLimit, onNothing] = results.map((report) => report.results[0]!);
    expect(passed, label).toMatchObject({ outcome: "passed" });
    expect(failed, label).toMatchObject({ outcome: "failed" });
    if (fail[1] !== undefined)
      expect(failed, label).toMatchObject({ samples: fail[1], violations: fail[1].length, unknown: 0 });
    expect(onLimit, label).toMatchObject({ outcome: boundary[1], violations: boundary[2] });
    expect(onNothing, label).toMatchObject({ outcome: empty, violations: 0 });
    for (const report of results) {
      const [result] = report.results;
      expect(report.passed, label).toBe(result!.severity !== "error" || result!.outcome === "passed");
      expect(JSON.parse(JSON.stringify(report)), label).toEqual(report);
      cases += 1;
    }
  }
  expect(cases).toBe(240);
});

const ids = (...values: bigint[]): Dataset => datasetOf([batchOf({ id: column("int64", values) })]);

test("uniqueness is exact up to maxKeys distinct keys, and undecided beyond them unless what is known decides", async () => {
  const set = defineExpectations([
    expectUnique("id", { name: "one" }),
    expectUnique("id", { name: "half", mostly: 0.5 }),
  ]);
  const outcomes = async (dataset: Dataset): Promise<unknown[]> =>
    (await evaluateExpectations(dataset, set, { maxKeys: 3 })).results.map(
      ({ outcome, violations, unknown, problem }) => [outcome, violations, unknown, problem?.code],
    );
  expect(await outcomes(ids(1n, 2n, 3n, 3n))).toEqual([
    ["failed", 1, 0, undefined],
    ["passed", 1, 0, undefined],
  ]);
  // The rows of 4 and 5 have no key kept: they may or may not repeat one another.
  expect(await outcomes(ids(1n, 2n, 3n, 4n, 5n))).toEqual([
    ["undecided", 0, 2, "keysExceeded"],
    ["passed", 0, 2, undefined],
  ]);
  expect(await outcomes(ids(1n, 2n, 3n, 4n, 4n, 4n, 4n, 1n))).toEqual([
    ["failed", 1, 4, undefined],
    ["undecided", 1, 4, "keysExceeded"],
  ]);
});

test("a reference is exact up to maxKeys, and leaves open what it could not keep", async () => {
  const known = await readReferenceKeys(ids(1n, 2n, 3n), "id", { maxKeys: 2 });
  expect(known).toMatchObject({ complete: false });
  const set = defineExpectations([expectReferences("id", "ids")]);
  const resultOf = async (dataset: Dataset, keys: ReferenceKeys): Promise<unknown> =>
    (await evaluateExpectations(dataset, set, { references: { ids: keys } })).results[0];
  expect(await resultOf(ids(1n, 2n), known)).toMatchObject({ outcome: "passed" });
  expect(await resultOf(ids(1n, 3n), known)).toMatchObject({
    outcome: "undecided",
    unknown: 1,
    problem: { code: "keysExceeded" },
  });
  expect(await readReferenceKeys(ids(1n, 2n, 2n), "id", { maxKeys: 2 })).toMatchObject({ complete: true });
  await expect(evaluateExpectations(ids(1n), set)).rejects.toThrow(
    new TypeError('The expectation "references(id)" needs the reference "ids". Pass it in references.'),
  );
});

test("columns that are missing or of another type fail their expectations, and the others go on", async () => {
  const set = defineExpectations([
    expectComplete("gone"),
    expectMatch("id", /^1/),
    expectCompare("id", "<", "name"),
    expectBetween("name", { min: 0 }),
    expectBetween("id", { min: "2024-01-01" }),
    expectMonotonic("name"),
    expectFresh("id", { maxAgeMs: 1 }),
    expectStatistic("name", "mean", { min: 0 }),
    expectDistribution("name", profileOf(batchOf({ x: [1, 2] })).columns["x"]!),
    expectComplete("id"),
  ]);
  const dataset = datasetOf([batchOf({ id: column("int64", [1n]), name: ["a"] })]);
  const { passed, results } = await evaluateExpectations(dataset, set, { nowMs });
  expect(passed).toBe(false);
  expect(results.map(({ outcome, problem }) => problem?.code ?? outcome)).toEqual([
    "columnMissing",
    ...Array.from({ length: 8 }, () => "columnType"),
    "passed",
  ]);
  expect(results[0]!.problem!.detail).toContain('"gone"');
  expect(results[2]!.problem!.detail).toContain('"id" (int64) and "name" (utf8)');
});

test("freshness needs the time, and an aborted evaluation rejects with the reason", async () => {
  const fresh = defineExpectations([expectFresh("x", { maxAgeMs: 1 })]);
  const table = tableOf({ x: "timestamp" }, { x: [new Date(nowMs)] });
  await expect(evaluateExpectations(table, fresh)).rejects.toThrow("nowMs");
  const reason = new Error("enough");
  await expect(evaluateExpectations(table, fresh, { nowMs, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("only errors fail the report; samples are bounded", async () => {
  const set = defineExpectations([
    expectOneOf("x", ["a"], { severity: "warning" }),
    expectMatch("x", /b/, { severity: "info", name: "has b" }),
    expectRowCount({ min: 1 }),
  ]);
  const dataset = tableOf({ x: "utf8" }, { x: Array.from({ length: 50 }, () => "z") });
  const report = await evaluateExpectations(dataset, set, { maxSamples: 3 });
  expect(report).toMatchObject({ formatVersion: 1, rows: 50, passed: true });
  expect(report.results).toMatchObject([
    { name: "oneOf(x)", outcome: "failed", samples: [0, 1, 2], violations: 50, observed: 0 },
    { name: "has b", outcome: "failed", severity: "info" },
    { name: "rowCount()", outcome: "passed", observed: 50 },
  ]);
});

test("what cannot be meant is refused when it is defined, with its place", () => {
  const refused = (...drafts: Parameters<typeof defineExpectations>[0]): unknown => {
    try {
      return defineExpectations(drafts);
    } catch (error) {
      expect(error).toMatchObject({ code: "DATA_EXPECTATIONS_INVALID" });
      return (error as Error).message;
    }
  };
  expect(refused()).toContain("must hold at least one");
  expect(refused(expectComplete("x", { mostly: 0 }))).toContain("expectations[0].mostly must be in (0, 1], not 0");
  expect(refused(expectComplete("x", { mostly: Number.NaN }))).toContain("finite");
  expect(refused(expectComplete(""))).toContain("expectations[0].column");
  expect(refused(expectRowCount({}))).toContain("min or max");
  expect(refused(expectBetween("x", { min: 2, max: 1 }))).toContain("2 and 1");
  expect(refused(expectBetween("x", { min: "soon" }))).toContain('"soon"');
  expect(refused(expectBetween("x", { min: "2024-01-01", max: 4 }))).toContain("one type");
  expect(refused(expectMatch("x", "("))).toContain("regular expression");
  expect(refused(expectMatch("x", /a/g))).toContain('"g"');
  expect(refused(expectUnique([]))).toContain("must name a column");
  expect(refused(expectComplete("a"), expectComplete("x", { name: "complete(a)" }))).toContain("stands twice");
  expect(refused(expectFresh("x", { maxAgeMs: -1 }))).toContain("-1");
  expect(refused({ ...expectRowCount({ min: 1 }), mostly: 0.5 })).toContain("whole table");
  expect(refused({ kind: "sorted", column: "x" })).toContain("must be one of");
  expect(() => parseExpectations({ formatVersion: 2 })).toThrow(/format version 2/);
  const names = defineExpectations([expectComplete("x"), expectComplete("x", { mostly: 0.5 })]).expectations;
  expect(names.map(({ name }) => name)).toEqual(["complete(x)", "complete(x) 2"]);
});

/** Rows with faults of every kind, spread so that many cuts fall between them. */
function faulty(rows: number): ReturnType<typeof batchOf> {
  const random = createRandom(8);
  const make = <Item>(item: (row: number) => Item): Item[] => Array.from({ length: rows }, (_, row) => item(row));
  return batchOf({
    id: column(
      "int64",
      make((row) => BigInt(random.next() < 0.02 ? random.integer(rows) : row)),
    ),
    x: column(
      "float64",
      make((row) => (random.next() < 0.05 ? null : row + random.normal() * 2)),
    ),
    carrier: column(
      "dictionary",
      make(() => ["AA", "UA", "ZZ", null][Math.floor(random.next() ** 2 * 4)]),
    ),
    seen: column(
      "timestamp",
      make((row) => BigInt(nowMs - row * 1000) * 1000n),
    ),
  });
}

const everyKind = defineExpectations([
  expectComplete("x", { mostly: 0.9 }),
  expectUnique("id"),
  expectUnique(["id", "carrier"]),
  expectBetween("x", { min: 10 }),
  expectMatch("carrier", /^[AU]/),
  expectOneOf("carrier", ["AA"]),
  expectCompare("id", "<=", "x"),
  expectReferences("carrier", "carriers"),
  expectMonotonic("x"),
  expectMonotonic("seen", { direction: "falling", strict: true }),
  expectRowCount({ min: 10 }),
  expectFresh("seen", { maxAgeMs: 1 }),
  expectStatistic("x", "median", { min: 0 }),
  expectDistribution("carrier", profileOf(faulty(300)).columns["carrier"]!),
]);

test("states of 64 shards merge to the report of one pass, in any grouping", () => {
  const whole = faulty(5000);
  const stateOf = (from: number, to: number): ReturnType<ReturnType<typeof createExpectationRun>["state"]> => {
    const run = createExpectationRun(schemaOf(whole), everyKind, { references });
    run.update(sliceBatch(whole, from, to));
    return structuredClone(run.state());
  };
  const single = reportExpectations(stateOf(0, whole.length), { nowMs });
  const cuts = Array.from({ length: 65 }, (_, index) => Math.floor((index / 64) ** 2 * whole.length));
  const shards = cuts.slice(1).map((to, index) => stateOf(cuts[index]!, to));
  const left = mergeExpectationStates(shards[0]!, ...shards.slice(1));
  const right = shards.reduceRight((later, earlier) => mergeExpectationStates(earlier, later));
  for (const merged of [left, right]) expect(reportExpectations(merged, { nowMs })).toEqual(single);
  const violating = single.results.filter(({ violations }) => violations > 0);
  expect(violating.length).toBeGreaterThan(7);
  const other = createExpectationRun(schemaOf(whole), defineExpectations([expectComplete("x")])).state();
  expect(() => mergeExpectationStates(left, other)).toThrow("other expectations");
});

test("a batch that does not fit the schema is refused, and nothing of it counts", () => {
  const set = defineExpectations([expectComplete("a"), expectBetween("b", { min: 0 })]);
  const run = createExpectationRun(schemaOf(batchOf({ a: ["x"], b: [1] })), set);
  run.update(batchOf({ a: ["x"], b: [1] }));
  const before = run.state();
  expect(() => run.update(batchOf({ a: ["x", "y"] }))).toThrow('"b"');
  expect(() => run.update(batchOf({ a: ["x", "y"], b: ["1", "2"] }))).toThrow("float64");
  expect(run.state()).toEqual(before);
});

test("merged states of shards beyond maxKeys bound the truth", () => {
  const values = Array.from({ length: 400 }, (_, row) => BigInt((row * 7) % 250));
  const truth = 400 - 250;
  const set = defineExpectations([expectUnique("id")]);
  for (const maxKeys of [10, 100, 249, 250]) {
    const states = [0, 100, 200, 300].map((from) => {
      const run = createExpectationRun([{ name: "id", type: "int64" }], set, { maxKeys });
      run.update(batchOf({ id: column("int64", values.slice(from, from + 100)) }));
      return run.state();
    });
    const [result] = reportExpectations(mergeExpectationStates(states[0]!, ...states.slice(1))).results;
    expect(result!.violations).toBeLessThanOrEqual(truth);
    expect(result!.violations + result!.unknown).toBeGreaterThanOrEqual(truth);
    if (maxKeys === 250) expect(result).toMatchObject({ violations: truth, unknown: 0 });
    else expect(result!.unknown).toBeGreaterThan(0);
  }
});
