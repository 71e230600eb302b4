export type { ColumnFacts, MonitorReport, ReportChart, ReportColumn } from "./reports/monitor-report.ts";
export { type ReportOptions, createReport } from "./reports/create-report.ts";
export { type ReportChange, type ReportDiff, type ReportDiffOptions, diffReports } from "./reports/diff-reports.ts";
export { parseReport } from "./reports/parse-report.ts";
export { type ProtectOptions, protectProfile } from "./reports/protect-profile.ts";
export { type SarifOptions, reportToJUnit, reportToSarif } from "./reports/report-ci.ts";
export { reportToHtml } from "./reports/report-html.ts";
