import { dataQualityChecks } from "../data-quality/data-quality.ts";
import { reportInvalid } from "../errors.ts";
import type { MonitorReport } from "./monitor-report.ts";

type Check = (value: unknown, path: string) => void;

function fail(path: string, problem: string): never {
  throw reportInvalid(path === "" ? "the whole" : path, problem);
}

const text: Check = (value, path) => void (typeof value === "string" || fail(path, "must be a text"));
const number: Check = (value, path) =>
  void ((typeof value === "number" && Number.isFinite(value)) || fail(path, "must be a finite number"));
const count: Check = (value, path) =>
  void ((Number.isSafeInteger(value) && (value as number) >= 0) || fail(path, "must be a count"));
const oneOf =
  (...names: readonly string[]): Check =>
  (value, path) =>
    void (names.includes(value as string) || fail(path, `must be one of ${names.join(", ")}`));
const listOf =
  (item: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) fail(path, "must be a list");
    for (const [at, each] of value.entries()) item(each, `${path}[${at}]`);
  };
const optional =
  (check: Check): Check =>
  (value, path) =>
    void (value === undefined || check(value, path));
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) fail(path, "must be an object");
    for (const [name, check] of Object.entries(fields))
      check((value as Readonly<Record<string, unknown>>)[name], path === "" ? name : `${path}.${name}`);
  };

const facts = shape({
  count,
  missingShare: number,
  notFiniteShare: optional(number),
  mean: optional(number),
  standardDeviation: optional(number),
  quantiles: optional(listOf(number)),
  distinct: optional(count),
});
const chart: Check = (value, path) => {
  shape({
    kind: oneOf("numbers", "categories"),
    labels: listOf(text),
    baseline: listOf(number),
    current: listOf(number),
  })(value, path);
  const { labels, baseline, current } = value as { labels: unknown[]; baseline: unknown[]; current: unknown[] };
  if (labels.length !== baseline.length || labels.length !== current.length)
    fail(path, "must have as many shares as labels");
};
const column = shape({
  name: text,
  type: text,
  verdict: oneOf("ok", "drift", "not-enough-data", "not-compared"),
  reasons: listOf(text),
  distance: optional(number),
  pValue: optional(number),
  baseline: optional(facts),
  current: optional(facts),
  chart: optional(chart),
});
const report = shape({
  title: text,
  subject: optional(text),
  timeMs: number,
  verdict: oneOf("ok", "drift", "not-enough-data", "issues", "no-data"),
  reasons: listOf(text),
  minimumRows: count,
  baselineRows: count,
  rows: count,
  driftedShare: number,
  columns: listOf(column),
  issues: listOf(
    shape({
      check: oneOf(...dataQualityChecks),
      column: optional(text),
      description: text,
      observed: optional(number),
      threshold: optional(number),
    }),
  ),
});

/** Reads the JSON of a report. Throws `MONITOR_REPORT_INVALID`, which names the path, also for another format version than 1. */
export function parseReport(json: unknown): MonitorReport {
  shape({})(json, "");
  const { formatVersion } = json as { readonly formatVersion?: unknown };
  if (formatVersion !== 1) fail("formatVersion", "must be 1: this release reads no other");
  report(json, "");
  return json as MonitorReport;
}
