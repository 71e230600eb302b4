import type { ColumnReport, DataReport, NumbersReport, TextsReport } from "./data-report.ts";
import { drawBars, drawHistogram, drawShare } from "./data-report-charts.ts";
import type { DataReportDiff } from "./data-report-diff.ts";
import { escapeHtml, showCount, showShare, showValue } from "./data-report-text.ts";

const style = `
:root { --ink: #1c2730; --faint: #5b6b78; --line: #dde4ea; --card: #fff; --ground: #f5f7f9; --bar: #2f7f9d; --gap: #c2413b; }
@media (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e6ebef; --faint: #9fb0bd; --line: #33414d; --card: #1b242c; --ground: #12181d; --gap: #e0706a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 74rem; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; } p { margin: .25rem 0; }
.faint { color: var(--faint); } .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; } td, th { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin-top: 1rem; }
.wide { overflow-x: auto; } .columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; margin-top: 1rem; } .columns section { margin: 0; } .columns td:first-child { white-space: nowrap; } .columns td.number { white-space: normal; }
header.column { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; margin-bottom: .5rem; }
svg { display: block; width: 100%; height: auto; margin: .5rem 0; } svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
svg .bar { fill: var(--bar); } svg .gap { fill: var(--gap); } svg .ground { fill: var(--line); } svg line { stroke: var(--line); }
a { color: inherit; }
`;

/** The page of a report. All text from the data is escaped; the policy in its head forbids everything but its own style. */
export function renderDataReport(report: DataReport, diff: DataReportDiff | undefined): string {
  const { title, rows, columns } = report;
  const empty = columns.filter(({ count }) => count === 0).length;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="faint">${showCount(rows)} rows, ${showCount(columns.length)} columns${empty === 0 ? "" : `, ${showCount(empty)} of them without a value`}</p>
${diff === undefined ? "" : renderDiff(diff, columns)}
${renderOverview(columns)}
<div class="columns">
${columns.map((column, at) => renderColumn(column, at)).join("\n")}
</div>
</body>
</html>
`;
}

function renderOverview(columns: readonly ColumnReport[]): string {
  const rows = columns.map(
    (
      { name, type, missingShare, distinct, numbers, texts },
      at,
    ) => `<tr><td><a href="#column-${at}">${escapeHtml(name)}</a></td>
<td>${type}</td><td class="number">${showShare(missingShare)}</td><td class="number">${distinct === null ? "" : showCount(distinct)}</td>
<td>${numbers === null ? (texts === null ? "" : escapeHtml(texts.top[0]?.[0] ?? "")) : `${showValue(type, numbers.min)} … ${showValue(type, numbers.quantiles.p50)} … ${showValue(type, numbers.max)}`}</td></tr>`,
  );
  return `<section class="wide"><table>
<thead><tr><th>column</th><th>type</th><th class="number">missing</th><th class="number">distinct</th><th>least … median … greatest, or most frequent</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></section>`;
}

function renderColumn(column: ColumnReport, at: number): string {
  const { name, type, count, missing, missingShare, nonFinite, distinct, numbers, texts } = column;
  const facts: readonly (readonly [string, string])[] = [
    ["values", showCount(count)],
    ["missing", `${showCount(missing)} (${showShare(missingShare)})`],
    ...(nonFinite === 0 ? [] : ([["NaN or infinite", showCount(nonFinite)]] as const)),
    ...(distinct === null
      ? []
      : ([["distinct", `${texts !== null && texts.error === 0 ? "" : "about "}${showCount(distinct)}`]] as const)),
  ];
  return `<section id="column-${at}"><header class="column"><h2>${escapeHtml(name)}</h2><span class="faint">${type}</span></header>
${drawShare(missingShare)}
${numbers === null ? "" : renderNumbers(type, numbers)}${texts === null ? "" : renderTexts(texts)}
<table>${[...facts, ...numberFacts(type, numbers)].map(([label, value]) => `<tr><td>${label}</td><td class="number">${value}</td></tr>`).join("")}</table>
</section>`;
}

function renderNumbers(type: ColumnReport["type"], { histogram, below, above, min, max }: NumbersReport): string {
  if (histogram.length === 0)
    return `<p>${min === max ? `All values are ${showValue(type, min)}.` : `All values lie next to each other, at ${showValue(type, min)}.`}</p>`;
  const beyond = [
    below >= 0.5 ? `${showCount(below)} below` : "",
    above >= 0.5 ? `${showCount(above)} above` : "",
  ].filter((text) => text !== "");
  return `${drawHistogram(histogram, (value) => showValue(type, value))}${beyond.length === 0 ? "" : `<p class="faint">Not drawn: ${beyond.join(", ")}.</p>`}`;
}

function renderTexts({ top, others, error }: TextsReport): string {
  const bars = [
    ...top.map(([label, value]) => ({ label: label === "" ? "(empty)" : label, value })),
    ...(others > 0 ? [{ label: "(others)", value: others }] : []),
  ];
  return `${drawBars(bars)}${error === 0 ? "" : `<p class="faint">Each count may fall short by at most ${showCount(error)}.</p>`}`;
}

function numberFacts(
  type: ColumnReport["type"],
  numbers: NumbersReport | null,
): readonly (readonly [string, string])[] {
  if (numbers === null) return [];
  const { mean, standardDeviation, min, max, quantiles } = numbers;
  const days = type === "timestamp" ? standardDeviation / 86_400_000_000 : standardDeviation;
  const spread = `${showValue("float64", days)}${type === "timestamp" || type === "date" ? " days" : ""}`;
  return [
    ["least", showValue(type, min)],
    ["1 %, 5 %", `${showValue(type, quantiles.p01)}, ${showValue(type, quantiles.p05)}`],
    [
      "25 %, 50 %, 75 %",
      [quantiles.p25, quantiles.p50, quantiles.p75].map((value) => showValue(type, value)).join(", "),
    ],
    ["95 %, 99 %", `${showValue(type, quantiles.p95)}, ${showValue(type, quantiles.p99)}`],
    ["greatest", showValue(type, max)],
    ["mean", showValue(type === "date" || type === "timestamp" ? type : "float64", mean)],
    ["standard deviation", spread],
  ];
}

/** Most changes shown: the JSON has them all. */
const shownChanges = 200;

function renderDiff(
  { addedColumns, removedColumns, changes }: DataReportDiff,
  columns: readonly ColumnReport[],
): string {
  if (addedColumns.length + removedColumns.length + changes.length === 0)
    return `<section><h2>Nothing has changed since the earlier report</h2></section>`;
  const typeOf = new Map(columns.map(({ name, type }) => [name, type]));
  const show = (column: string | undefined, field: string, value: number | string | undefined): string => {
    if (value === undefined) return "";
    if (typeof value === "string") return escapeHtml(value);
    if (field === "missingShare") return showShare(value);
    const isValue = /^numbers\.(?:min|max|quantiles\.|mean$)/.test(field);
    return showValue(isValue ? (typeOf.get(column ?? "") ?? "float64") : "float64", value);
  };
  const rows = changes.slice(0, shownChanges).map(
    ({ column, field, before, after }) => `<tr><td>${escapeHtml(column ?? "(table)")}</td><td>${escapeHtml(field)}</td>
<td class="number">${show(column, field, before)}</td><td class="number">${show(column, field, after)}</td></tr>`,
  );
  const named = (label: string, names: readonly string[]): string =>
    names.length === 0 ? "" : `<p>${label}: ${names.map(escapeHtml).join(", ")}</p>`;
  return `<section class="wide"><h2>Changes since the earlier report</h2>
${named("New columns", addedColumns)}${named("Columns that are gone", removedColumns)}
${
  rows.length === 0
    ? ""
    : `<table><thead><tr><th>column</th><th>what</th><th class="number">before</th><th class="number">now</th></tr></thead><tbody>
${rows.join("\n")}
</tbody></table>`
}${changes.length > shownChanges ? `<p class="faint">And ${showCount(changes.length - shownChanges)} more.</p>` : ""}</section>`;
}
