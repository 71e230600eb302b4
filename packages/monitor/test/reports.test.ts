import { readFileSync } from "node:fs";
import { hasCode } from "@millwright/contracts";
import { batchOf, column, profileOf } from "@millwright/data";
import { Ajv } from "ajv";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { expect, test } from "vitest";
import { baselineOf } from "../src/baseline.ts";
import { checkDataQuality } from "../src/data-quality.ts";
import {
  createReport,
  diffReports,
  type MonitorReport,
  parseReport,
  reportToHtml,
  reportToJUnit,
  reportToSarif,
} from "../src/reports.ts";
import { mixedBatch } from "./mixed-rows.ts";

const timeMs = Date.UTC(2026, 0, 2);
const evil = `<script src="https://evil.example/x.js">&'"\u0000]]>`;
const escapedEvil = "&lt;script src=&quot;https://evil.example/x.js&quot;&gt;&amp;&#39;&quot;\uFFFD]]&gt;";
const before = profileOf(mixedBatch(4000, 1));
const baseline = baselineOf(before);
const reportOn = (batch = mixedBatch(3000, 2)): MonitorReport => {
  const current = profileOf(batch);
  return createReport({
    baseline: before,
    current,
    timeMs,
    quality: checkDataQuality(current, baseline),
    subject: "endpoint/late/variant/main",
  });
};
const calm = reportOn();
const { stops: _stops, ...rest } = mixedBatch(3000, 3, { shift: 1, missing: 0.2 }).columns;
/** Shifted, with nulls, without a column, with one too many whose name and values would break pages and files. */
const wild = reportOn(batchOf({ ...rest, [evil]: column("utf8", new Array<string>(3000).fill(evil)) }));

test("MO-38: a report survives its JSON, and what is no report is refused with the path", () => {
  expect(calm.verdict).toBe("ok");
  expect(wild.verdict).toBe("drift");
  for (const report of [calm, wild]) expect(parseReport(JSON.parse(JSON.stringify(report)))).toEqual(report);
  const invalid = (json: unknown, path: string): void => {
    expect(() => parseReport(json)).toThrow(
      expect.objectContaining({ code: "MONITOR_REPORT_INVALID", message: expect.stringContaining(path) as string }),
    );
  };
  invalid(undefined, "the whole");
  invalid([], "the whole");
  invalid({ ...calm, formatVersion: 2 }, "formatVersion");
  invalid({ ...calm, columns: [{ ...calm.columns[0], verdict: "fine" }] }, "columns[0].verdict");
  invalid(
    { ...calm, columns: [{ ...calm.columns[0], chart: { ...calm.columns[0]!.chart, current: [] } }] },
    "columns[0].chart",
  );
  invalid({ ...wild, issues: [{ check: "other", description: "" }] }, "issues[0].check");
  expect(() => createReport({ baseline: before, current: before, timeMs: Number.NaN })).toThrow(RangeError);
});

test("MO-38: charts hold the shares of both sides, and all of them", () => {
  const byName = new Map(calm.columns.map((each) => [each.name, each] as const));
  for (const { chart } of calm.columns) {
    for (const shares of [chart!.baseline, chart!.current]) {
      const sum = shares.reduce((all, share) => all + share, 0);
      expect(sum).toBeGreaterThan(0.97);
      expect(sum).toBeLessThan(1 + 1e-9);
    }
  }
  const { chart } = byName.get("carrier")!;
  const counts = before.columns["carrier"]!.frequent!;
  expect(chart!.labels.at(-1)).toBe("(all others)");
  expect(chart!.baseline[chart!.labels.indexOf("AA")]).toBeCloseTo(counts.counts.get("AA")! / counts.total, 9);
});

test("MO-38: the page needs nothing else: no request, no script, and all text of the data is escaped", () => {
  const page = reportToHtml(wild);
  expect(page).not.toContain(evil);
  expect(page.split(escapedEvil).length).toBeGreaterThan(3);
  expect(page.replaceAll(escapedEvil, "")).not.toMatch(
    /https?:|\/\/|url\(|@import|<script|<link|<img|<iframe|\ssrc=|\shref=/i,
  );
  expect(page).toContain("default-src 'none'");
  expect(page).toContain("&lt;script src=");
  expect(page.match(/<svg /g)?.length).toBe(wild.columns.filter(({ chart }) => chart !== undefined).length);
  expect(page).toContain("distance");
  // Every element that is opened is closed: the page is well-formed but for what HTML lets stand open.
  const inner = page.replace(/<!doctype html>/, "").replaceAll(/<meta[^>]*>/g, "");
  expect(XMLValidator.validate(inner)).toBe(true);
});

test("MO-38: a diff names what changed from one report to the next, and nothing of a report and itself", () => {
  expect(diffReports(wild, wild).changes).toEqual([]);
  const { changes, verdict } = diffReports(calm, wild);
  expect(verdict).toEqual({ before: "ok", after: "drift" });
  const told = changes.map(({ kind, column: of = "" }) => `${kind} ${of}`);
  expect(told).toEqual(
    expect.arrayContaining([
      "verdict distance",
      "distance distance",
      "missing distance",
      "mean distance",
      "verdict stops",
      `column-added ${evil}`,
      "issue-new distance",
      "issue-new stops",
    ]),
  );
  expect(told.filter((each) => each.includes("carrier") || each.includes("night"))).toEqual([]);
  expect(diffReports(wild, calm).changes.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(["column-removed", "issue-gone"]),
  );
});

test("MO-38: JUnit XML parses, with a failed case for each drifted column and each issue", () => {
  const xml = reportToJUnit(wild);
  expect(XMLValidator.validate(xml)).toBe(true);
  const { testsuites } = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: "" }).parse(xml) as {
    testsuites: {
      failures: string;
      testsuite: { tests: string; timestamp: string; testcase: { name: string; failure?: { message: string } | "" }[] };
    };
  };
  const { testcase, tests, timestamp } = testsuites.testsuite;
  expect(testcase).toHaveLength(Number(tests));
  expect(timestamp).toBe("2026-01-02T00:00:00");
  const failed = testcase.filter((each) => "failure" in each).map(({ name }) => name);
  expect(failed).toHaveLength(Number(testsuites.failures));
  expect(failed).toEqual(
    expect.arrayContaining([
      "drift: distance",
      "drift: stops",
      "data quality: missing: distance",
      "data quality: missing-column: stops",
    ]),
  );
  expect(failed).not.toContain("drift: carrier");
  expect(reportToJUnit(calm)).toContain('failures="0"');
  const nothing = createReport({ baseline: before, current: { rows: 0, columns: {} }, timeMs });
  expect(nothing.verdict).toBe("no-data");
  expect(reportToJUnit(nothing)).toContain("No row was seen.");
});

test("MO-38: SARIF satisfies the schema of version 2.1.0", () => {
  const {
    $schema: _draft,
    id: _id,
    ...schema
  } = JSON.parse(readFileSync(new URL("golden/sarif-schema-2.1.0.json", import.meta.url), "utf8")) as Record<
    string,
    unknown
  >;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const validate = ajv.compile(schema);
  for (const report of [calm, wild]) {
    validate(reportToSarif(report, { path: "models/late 1.parquet" }));
    expect(validate.errors ?? []).toEqual([]);
  }
  // The schema complains where it should.
  expect(validate({ version: "2.1.0", runs: [{}] })).toBe(false);
  const [run] = reportToSarif(wild)["runs"] as {
    results: { ruleId: string; ruleIndex: number; level: string }[];
    tool: { driver: { rules: { id: string }[] } };
  }[];
  for (const { ruleId, ruleIndex } of run!.results) expect(run!.tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
  expect(run!.results.filter(({ level }) => level === "warning").map(({ ruleId }) => ruleId)).toEqual(
    expect.arrayContaining(["drift", "missing", "missing-column", "extra-column"]),
  );
  expect((reportToSarif(calm)["runs"] as { results: unknown[] }[])[0]!.results).toEqual([]);
});

test("columns of NaN and infinities, of one value, of a changed type and of a million categories make a report all the same", () => {
  const rows = 3000;
  const odd = batchOf({
    distance: column(
      "float64",
      Array.from({ length: rows }, (_, row) => [Number.NaN, Infinity, -Infinity][row % 3]!),
    ),
    stops: column(
      "utf8",
      Array.from({ length: rows }, (_, row) => `${row}`),
    ),
    carrier: column(
      "utf8",
      Array.from({ length: rows }, (_, row) => `user-${row}`),
    ),
    night: column("bool", new Array<boolean>(rows).fill(true)),
  });
  const report = reportOn(odd);
  expect(parseReport(JSON.parse(JSON.stringify(report)))).toEqual(report);
  expect(report.columns.find(({ name }) => name === "stops")?.reasons).toEqual(["The type was int32 and is utf8."]);
  expect(XMLValidator.validate(reportToJUnit(report))).toBe(true);
  expect(reportToHtml(report)).toContain("share of NaN");
  const same = profileOf(batchOf({ x: new Float64Array(1000).fill(7) }));
  expect(createReport({ baseline: same, current: same, timeMs }).verdict).toBe("ok");
  try {
    parseReport({ formatVersion: 1 });
  } catch (error) {
    expect(hasCode(error, "MONITOR_REPORT_INVALID")).toBe(true);
  }
});

test("a pipeline that had too little to judge is not green, and no two of its cases have one name", () => {
  const report = createReport({ baseline: before, current: profileOf(mixedBatch(1, 2)), timeMs });
  expect(report.verdict).toBe("not-enough-data");
  expect(reportToJUnit(report)).toContain('failures="1"');
  const names = [...reportToJUnit(wild).matchAll(/<testcase classname="[^"]*" name="([^"]*)"/g)].map(
    ([, name]) => name,
  );
  expect(wild.issues.some(({ check }) => check === "drift")).toBe(true);
  expect(new Set(names).size).toBe(names.length);
});

test("times are shown as times, and bins of large numbers as bins that can be told apart", () => {
  const table = (startMs: number) =>
    profileOf(
      batchOf({
        at: column(
          "timestamp",
          Array.from({ length: 1000 }, (_, row) => BigInt(startMs + row * 3_600_000) * 1000n),
        ),
        day: column(
          "date",
          Array.from({ length: 1000 }, (_, row) => Math.floor(startMs / 86_400_000) + (row % 30)),
        ),
        large: Float64Array.from({ length: 1000 }, (_, row) => 1e9 + row),
      }),
    );
  const report = createReport({ baseline: table(timeMs), current: table(timeMs), timeMs });
  const [at, day, large] = report.columns.map(({ chart }) => chart!.labels);
  expect(at![0]).toMatch(/^< 2026-01-02T\d\d:\d\d:\d\dZ$/);
  expect(day![0]).toBe("< 2026-01-02");
  for (const labels of [at!, large!]) expect(new Set(labels).size).toBe(labels.length);
  const page = reportToHtml(report);
  expect(page).toMatch(/<td>median<\/td><td class="number">2026-01-2\dT\d\d:\d\d:\d\dZ<\/td>/);
  expect(page).not.toContain("e+15");
});
