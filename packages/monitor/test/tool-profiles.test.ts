import { readFile } from "node:fs/promises";
import type { Batch } from "@millwright/contracts";
import { batchOf, concatBatches, profileOf, selectColumns } from "@millwright/data";
import { expect, test } from "vitest";
import { backtest } from "../src/backtest.ts";
import type { DriftWindow } from "../src/index.ts";
import {
  alibiProfile,
  type CategoricalMethod,
  type ContinuousMethod,
  datasetDrift,
  evidentlyProfile,
  nannymlProfile,
  sagemakerProfile,
  toolMonitor,
  type ToolProfile,
  type ToolReport,
} from "../src/tools.ts";
import { frameOf, type FrameSpec } from "./frames.ts";
import { sampleOf } from "./samples.ts";

interface Case {
  readonly reference: FrameSpec;
  readonly current: FrameSpec;
}

const read = async <Golden>(name: string): Promise<Golden> =>
  JSON.parse(await readFile(new URL(`golden/${name}.json`, import.meta.url), "utf8")) as Golden;

const frames = new Map<string, Batch>();
/** Large tables are made once. */
function tableOf(spec: FrameSpec): Batch {
  const key = spec.join(" ");
  const known = frames.get(key) ?? frameOf(spec);
  frames.set(key, known);
  return known;
}

const compared = (profile: ToolProfile, { reference, current }: Case): ToolReport =>
  profile.compare(tableOf(reference), tableOf(current));
const titleOf = ({ reference, current }: Case): string => `${reference.join("/")} against ${current.join("/")}`;

interface EvidentlyCase extends Case {
  readonly columns: Readonly<
    Record<
      string,
      { readonly score?: number; readonly method: string; readonly drifted: boolean; readonly error?: string }
    >
  >;
  readonly usable: readonly string[];
  readonly table: { readonly count: number; readonly share: number; readonly drifted: boolean };
}
interface EvidentlyTable {
  readonly columns: number;
  readonly drifted: boolean;
  readonly share: number;
  readonly count: number;
}
const evidently = await read<{
  readonly cases: readonly EvidentlyCase[];
  readonly boundary: readonly EvidentlyTable[];
}>("evidently");

test.each(evidently.cases.map((each) => ({ each, title: titleOf(each) })))(
  "MO-4: evidentlyProfile chooses, scores and judges as Evidently's report: $title",
  ({ each }) => {
    const report = compared(evidentlyProfile(), each);
    expect(report.columns.map(({ name }) => name)).toEqual(Object.keys(each.columns));
    for (const column of report.columns) {
      const wanted = each.columns[column.name];
      if (wanted?.score === undefined) {
        expect(column, column.name).toMatchObject({ reason: expect.any(String) });
        continue;
      }
      expect({ method: column.method, drifted: column.drifted }, column.name).toEqual({
        method: wanted.method,
        drifted: wanted.drifted,
      });
      expect(
        Math.abs((column.score ?? 9) - wanted.score),
        `${column.name}: ${column.score}, not ${wanted.score}`,
      ).toBeLessThanOrEqual(1e-6);
    }
    const { drifted, share, driftedColumns } = evidentlyProfile().compare(
      selectColumns(tableOf(each.reference), each.usable),
      selectColumns(tableOf(each.current), each.usable),
    );
    expect({ drifted, share, count: driftedColumns.length }).toEqual(each.table);
  },
);

interface NannymlMethod {
  readonly scores: readonly (number | null)[];
  readonly threshold: number | null;
  readonly alerts: readonly boolean[];
}
interface NannymlCase extends Case {
  readonly columns: Readonly<Record<string, Readonly<Record<string, NannymlMethod>>>>;
}
const nannyml = await read<{ readonly cases: readonly NannymlCase[] }>("nannyml");
const methods: readonly (readonly [ContinuousMethod, CategoricalMethod])[] = [
  ["jensen_shannon", "jensen_shannon"],
  ["kolmogorov_smirnov", "chi2"],
  ["wasserstein", "l_infinity"],
  ["hellinger", "hellinger"],
];

test.each(nannyml.cases.map((each) => ({ each, title: titleOf(each) })))(
  "MO-4: nannymlProfile scores and judges each chunk as NannyML's calculator: $title",
  ({ each }) => {
    let seen = 0;
    for (const [continuousMethod, categoricalMethod] of methods) {
      for (const column of compared(nannymlProfile({ continuousMethod, categoricalMethod }), each).columns) {
        const wanted = each.columns[column.name]?.[column.method ?? ""];
        if (wanted === undefined) throw new TypeError(`NannyML has no ${column.method} of ${column.name}`);
        const { chunks = [] } = column;
        expect(
          chunks.map(({ drifted }) => drifted),
          `${column.name}, ${column.method}`,
        ).toEqual(wanted.alerts);
        for (const [index, { score }] of chunks.entries()) {
          const value = wanted.scores[index] ?? Number.NaN;
          expect(
            Math.abs(score - value),
            `${column.name}, ${column.method}: ${score}, not ${value}`,
          ).toBeLessThanOrEqual(1e-6 * Math.max(1, value));
        }
        if (column.method !== "chi2")
          expect(Math.abs((column.threshold ?? 9) - (wanted.threshold ?? 9))).toBeLessThanOrEqual(1e-6);
        seen += 1;
      }
    }
    expect(seen).toBe(4 * Object.keys(each.columns).length);
  },
);

interface AlibiVerdict {
  readonly drifted: boolean;
  readonly threshold: number;
}
interface AlibiCase extends Case {
  readonly names: readonly string[];
  readonly scores: readonly number[];
  readonly bonferroni: AlibiVerdict;
  readonly fdr: AlibiVerdict;
}
const alibi = await read<{ readonly cases: readonly AlibiCase[] }>("alibi");

test.each(alibi.cases.map((each) => ({ each, title: titleOf(each) })))(
  "MO-4: alibiProfile scores and judges as Alibi Detect's TabularDrift: $title",
  ({ each }) => {
    for (const correction of ["bonferroni", "fdr"] as const) {
      const report = alibiProfile({ correction }).compare(
        selectColumns(tableOf(each.reference), each.names),
        selectColumns(tableOf(each.current), each.names),
      );
      for (const [index, { name, score }] of report.columns.entries())
        expect(
          Math.abs((score ?? 9) - (each.scores[index] ?? 8)),
          `${name}: ${score}, not ${each.scores[index]}`,
        ).toBeLessThanOrEqual(1e-6);
      expect(report.drifted).toBe(each[correction].drifted);
      if (report.drifted) expect(report.columns[0]?.threshold).toBeCloseTo(each[correction].threshold, 12);
    }
  },
);

interface SagemakerCase extends Case {
  readonly columns: Readonly<Record<string, { readonly simple: number; readonly robust: number }>>;
}
const sagemaker = await read<{ readonly cases: readonly SagemakerCase[] }>("sagemaker");

test("MO-4: sagemakerProfile has Deequ's distances, simple and robust, above 0.1", () => {
  for (const each of sagemaker.cases)
    for (const comparisonMethod of ["Simple", "Robust"] as const)
      for (const { name, score, drifted } of compared(sagemakerProfile({ comparisonMethod }), each).columns) {
        const wanted = each.columns[name]?.[comparisonMethod === "Simple" ? "simple" : "robust"] ?? 9;
        expect(Math.abs((score ?? 9) - wanted), `${name}, ${titleOf(each)}`).toBeLessThanOrEqual(1e-9);
        expect(drifted).toBe(wanted > 0.1);
      }
  // The shift at 1,000 against 500 values.
  const [x, y] = [sampleOf(["bell", 1, 1000, 0, 1]), sampleOf(["bell", 2, 500, 3, 1])].map((values) =>
    batchOf({ x: values }),
  ) as [Batch, Batch];
  const [simple, robust] = (["Simple", "Robust"] as const).map(
    (comparisonMethod) => sagemakerProfile({ comparisonMethod }).compare(x, y).columns[0]?.score ?? 0,
  ) as [number, number];
  expect(simple - robust).toBeCloseTo(0.0985900603509299, 12);
});

test("MO-4: the tools disagree on one table, each as it does", () => {
  // A category's share moves by 0.09 on 20,000 rows: far from chance, and far from Evidently's and Model Monitor's thresholds.
  const table = (share: number) =>
    batchOf({ c: Array.from({ length: 20_000 }, (_, index) => (index % 100 < share ? "a" : "b")) });
  const verdicts = [evidentlyProfile(), sagemakerProfile(), alibiProfile()].map(
    (profile) => profile.compare(table(40), table(49)).drifted,
  );
  expect(verdicts).toEqual([false, false, true]);
});

test("MO-11: at a share of exactly 0.5 the table has drifted, as in Evidently", () => {
  expect(evidently.boundary).toHaveLength(3);
  const values = sampleOf(["bell", 7, 500, 0, 1]);
  for (const { drifted, share, count, columns: width } of evidently.boundary) {
    const table = (shifted: number): Batch =>
      batchOf(
        Object.fromEntries(
          Array.from({ length: width }, (_, index) => [
            `c${index}`,
            values.map((value) => value + (index < shifted ? 5 : 0)),
          ]),
        ),
      );
    const report = evidentlyProfile().compare(table(0), table(count));
    expect({ share: report.share, drifted: report.drifted }).toEqual({ share, drifted });
  }
  const columns = Array.from({ length: 10 }, (_, index) => ({ name: `c${index}`, drifted: index < 5 }));
  expect(datasetDrift(columns)).toMatchObject({ drifted: true, share: 0.5, compared: 10 });
  expect(datasetDrift(columns.slice(1))).toMatchObject({ drifted: false, share: 4 / 9 });
});

test("MO-11: importance weighs columns, and one key is enough", () => {
  const columns = [
    { name: "id", drifted: true },
    { name: "age", drifted: false },
    { name: "pay", drifted: false },
    { name: "note", drifted: undefined },
  ];
  expect(datasetDrift(columns)).toMatchObject({ drifted: false, share: 1 / 3, compared: 3, driftedColumns: ["id"] });
  expect(datasetDrift(columns, { weights: { id: 0.7, age: 0.2, pay: 0.1 } })).toMatchObject({ drifted: true });
  expect(datasetDrift(columns, { weights: { age: 0.2, pay: 0.1 } })).toMatchObject({ drifted: false, share: 0 });
  // 0.1 + 0.2 of 0.6 is a half, but for rounding.
  expect(
    datasetDrift(
      [
        { name: "a", drifted: true },
        { name: "b", drifted: true },
        { name: "c", drifted: false },
      ],
      { weights: { a: 0.1, b: 0.2, c: 0.30000000000000004 } },
    ).drifted,
  ).toBe(true);
  expect(datasetDrift(columns, { keys: ["id"] })).toMatchObject({ drifted: true, driftedKeys: ["id"] });
  expect(datasetDrift(columns, { keys: ["age", "pay"] })).toMatchObject({ drifted: false, driftedKeys: [] });
  expect(datasetDrift([])).toMatchObject({ drifted: false, share: 0, compared: 0 });
  for (const call of [
    () => datasetDrift(columns, { share: 0 }),
    () => datasetDrift(columns, { keys: ["nobody"] }),
    () => datasetDrift(columns, { weights: { id: -1 } }),
  ])
    expect(call).toThrow(expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }));
});

test("tables that cannot be compared are refused, and columns without values are told", () => {
  for (const profile of [evidentlyProfile(), nannymlProfile(), alibiProfile(), sagemakerProfile()]) {
    const rows = Array.from({ length: 20 }, (_, index) => index);
    expect(() => profile.compare(batchOf({ a: rows }), batchOf({ b: rows })), profile.tool).toThrow(
      expect.objectContaining({ code: "MONITOR_COLUMNS_DIFFER" }),
    );
    expect(() => profile.compare(batchOf({ a: rows }), batchOf({ a: rows.map(String) })), profile.tool).toThrow(
      expect.objectContaining({ code: "MONITOR_COLUMNS_DIFFER" }),
    );
    const empty = batchOf({ a: Float64Array.from({ length: 20 }, () => Number.NaN) });
    expect(profile.compare(empty, empty), profile.tool).toMatchObject({
      drifted: false,
      compared: 0,
      columns: [{ name: "a", reason: expect.any(String) }],
    });
  }
  expect(() => nannymlProfile().compare(batchOf({ a: [1, 2] }), batchOf({ a: [1, 2] }))).toThrow(
    expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }),
  );
});

test("MO-4: a tool's profile is a monitor of windows, which a backtest takes", async () => {
  const windowOf = (index: number, shift: number): DriftWindow => {
    const rows = batchOf({
      x: sampleOf(["bell", 100 + index, 200, shift, 1]),
      y: sampleOf(["uniform", 900 + index, 200, 0, 1]),
    });
    return { startMs: index * 60_000, endMs: (index + 1) * 60_000, profile: profileOf(rows), rows };
  };
  const history = Array.from({ length: 4 }, (_, index) => windowOf(index, 0));
  const monitor = toolMonitor(evidentlyProfile())(history);
  const rows = windowOf(9, 2).rows as Batch;
  const alone = evidentlyProfile().compare(concatBatches(history.map((window) => window.rows as Batch)), rows);
  expect(monitor.judge(windowOf(9, 2))).toMatchObject({
    verdict: "drift",
    driftedShare: alone.share,
    reasons: [expect.stringContaining("x: evidently 0.7: K-S p_value is")],
    columns: [
      { name: "x", verdict: "drift" },
      { name: "y", verdict: "ok" },
    ],
  });
  const { rows: _rows, ...withoutRows } = windowOf(5, 0);
  expect(() => monitor.judge(withoutRows)).toThrow(expect.objectContaining({ code: "MONITOR_ROWS_INVALID" }));
  const report = await backtest(
    toolMonitor(alibiProfile()),
    Array.from({ length: 60 }, (_, index) => windowOf(index, 0)),
    { historyWindows: 10 },
  );
  // At most 5 % of 50 windows, with the 99.9 % point of that binomial: 8.
  expect(report.falseAlarms.windows).toBe(50);
  expect(report.falseAlarms.alarms).toBeLessThanOrEqual(8);
});
