import type { JsonObject } from "@millwright/contracts";
import { escaped } from "./escape.ts";
import type { MonitorReport, ReportColumn } from "./monitor-report.ts";

/** One test of a pipeline. */
interface Case {
  readonly name: string;
  readonly outcome: "failure" | "skipped" | "passed";
  readonly message: string;
}

function caseOf({ name, verdict, reasons }: ReportColumn): Case {
  const outcome = verdict === "drift" ? "failure" : verdict === "ok" ? "passed" : "skipped";
  return { name: `drift: ${name}`, outcome, message: reasons.join(" ") || verdict };
}

function nothingJudged({ verdict, reasons }: MonitorReport): readonly Case[] {
  if (verdict === "no-data") return [{ name: "data", outcome: "failure", message: "No row was seen." }];
  if (verdict === "not-enough-data")
    return [{ name: "data", outcome: "failure", message: reasons.join(" ") || verdict }];
  return [];
}

/**
 * The report as JUnit XML, as pipelines show test results: a case for each column's drift, which fails where it drifted and is skipped where nothing can be said, and a
 * failed case for each issue of data quality. One case fails where no column could be judged, so that a pipeline without data is never green. No two cases have one name.
 */
export function reportToJUnit(report: MonitorReport): string {
  const suite = escaped(report.subject ?? report.title);
  const cases: readonly Case[] = [
    ...report.columns.map(caseOf),
    ...report.issues.map(({ check, column, description }): Case => ({
      name: `data quality: ${column === undefined ? check : `${check}: ${column}`}`,
      outcome: "failure",
      message: description,
    })),
    ...nothingJudged(report),
  ];
  const of = (outcome: Case["outcome"]): number => cases.filter((each) => each.outcome === outcome).length;
  const counts = `tests="${cases.length}" failures="${of("failure")}" errors="0" skipped="${of("skipped")}" time="0"`;
  const lines = cases.map(({ name, outcome, message }) => {
    const inner = outcome === "passed" ? "" : `<${outcome} message="${escaped(message)}"/>`;
    return `    <testcase classname="${suite}" name="${escaped(name)}" time="0">${inner}</testcase>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="${escaped(report.title)}" ${counts}>
  <testsuite name="${suite}" ${counts} timestamp="${new Date(report.timeMs).toISOString().slice(0, 19)}">
${lines.join("")}  </testsuite>
</testsuites>
`;
}

export interface SarifOptions {
  /** The file that results point to, relative to the repository: code-scanning pages show none without. Default: `data`. */
  readonly path?: string | undefined;
}

const rules: readonly (readonly [id: string, text: string])[] = [
  ["drift", "A column's distribution has moved away from the baseline."],
  ["missing-column", "A column of the baseline is gone."],
  ["extra-column", "The baseline has no such column."],
  ["type", "A column's values have another type or sign than in the baseline."],
  ["missing", "More values are null than in the baseline."],
  ["not-finite", "Numbers are NaN or infinite."],
  ["range", "Numbers are outside the range of the baseline."],
  ["unseen-category", "Values are none of the baseline's."],
  ["freshness", "Features are older than they may be."],
  ["volume", "There were fewer or more requests than expected."],
  ["duplicates", "Requests came more than once."],
  ["no-data", "There was nothing to judge."],
];

/** The report as SARIF 2.1.0, as code-scanning pages take it: a warning for each drifted column and each issue; columns of which nothing can be said are notes. */
export function reportToSarif(report: MonitorReport, { path = "data" }: SarifOptions = {}): JsonObject {
  const result = (ruleId: string, level: string, text: string, column?: string): JsonObject => ({
    ruleId,
    ruleIndex: rules.findIndex(([id]) => id === ruleId),
    level,
    message: { text: column === undefined ? text : `${column}: ${text}` },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: encodeURI(path) }, region: { startLine: 1 } },
        ...(column === undefined
          ? {}
          : {
              logicalLocations: [
                { name: column, fullyQualifiedName: `${report.subject ?? report.title}/${column}`, kind: "member" },
              ],
            }),
      },
    ],
    partialFingerprints: { "ruleAndColumn/v1": `${ruleId}/${column ?? ""}` },
  });
  const columns = report.columns.flatMap(({ name, verdict, reasons }) => {
    if (verdict === "ok") return [];
    return [result("drift", verdict === "drift" ? "warning" : "note", reasons.join(" ") || verdict, name)];
  });
  const issues = report.issues.map(({ check, column, description }) => result(check, "warning", description, column));
  const nothing = report.verdict === "no-data" ? [result("no-data", "error", "No row was seen.")] : [];
  const driver = {
    name: "millwright-monitor",
    rules: rules.map(([id, text]) => ({ id, shortDescription: { text } })),
  };
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver },
        invocations: [{ executionSuccessful: true, endTimeUtc: new Date(report.timeMs).toISOString() }],
        results: [...columns, ...issues, ...nothing],
      },
    ],
  };
}
