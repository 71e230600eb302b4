import { escaped } from "./escape.ts";
import { timeText } from "./time-text.ts";
import type { ColumnFacts, MonitorReport, ReportChart, ReportColumn } from "./monitor-report.ts";

const style = `:root{color-scheme:light dark;--base:#8a94a6;--now:#2563c9;--bad:#b3261e;--good:#1a7f4b;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.number{text-align:right;font-variant-numeric:tabular-nums}.drift,.issues,.no-data{color:var(--bad);font-weight:600}.ok{color:var(--good)}
section{margin:1.5rem 0;border-top:1px solid var(--line)}svg{max-width:100%;height:auto}.base{fill:var(--base)}.now{fill:var(--now)}svg text{font:10px system-ui,sans-serif;fill:currentColor}
.key span{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}`;

/**
 * The report as one page that needs nothing else: no script, no request, all text escaped. Columns that drifted come first.
 * @returns HTML.
 */
export function reportToHtml(report: MonitorReport): string {
  const order = ["drift", "not-compared", "not-enough-data", "ok"];
  const columns = report.columns.toSorted(
    (a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict) || (b.distance ?? 0) - (a.distance ?? 0),
  );
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${escaped(report.title)}</title><style>${style}</style>`;
  const about = [
    report.subject,
    new Date(report.timeMs).toISOString(),
    `${report.rows} rows against ${report.baselineRows}`,
    `nothing of fewer than ${report.minimumRows} rows is shown`,
  ];
  return `<!doctype html><html lang="en"><head>${head}</head><body><h1>${escaped(report.title)}</h1>
<p>${about
    .filter((each) => each !== undefined)
    .map(escaped)
    .join(" · ")}</p>
<p>Verdict: <span class="${report.verdict}">${report.verdict}</span>${report.columns.length === 0 ? "" : `, ${shown(report.driftedShare * 100)} % of the columns drifted`}</p>
${issuesTable(report)}
${overview(columns)}
${columns.map((column) => columnSection(column)).join("\n")}
</body></html>\n`;
}

const shown = (value: number | undefined): string => (value === undefined ? "" : String(Number(value.toPrecision(4))));

function issuesTable({ issues }: MonitorReport): string {
  if (issues.length === 0) return "";
  const rows = issues.map(
    ({ check, column = "", description }) =>
      `<tr><td>${check}</td><td>${escaped(column)}</td><td>${escaped(description)}</td></tr>`,
  );
  return `<h2>Data quality</h2><table><thead><tr><th>check</th><th>column</th><th>what</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function overview(columns: readonly ReportColumn[]): string {
  const rows = columns.map(
    ({ name, type, verdict, distance, pValue, baseline, current }) =>
      `<tr><td>${escaped(name)}</td><td>${escaped(type)}</td><td class="${verdict}">${verdict}</td><td class="number">${shown(distance)}</td><td class="number">${shown(pValue)}</td><td class="number">${shown(baseline?.missingShare)}</td><td class="number">${shown(current?.missingShare)}</td></tr>`,
  );
  return `<h2>Columns</h2><table><thead><tr><th>column</th><th>type</th><th>verdict</th><th>distance</th><th>p</th><th>nulls before</th><th>nulls now</th></tr></thead><tbody>${rows.join("")}</tbody></table>
<p class="key"><span style="background:var(--base)"></span>baseline<span style="background:var(--now)"></span>now</p>`;
}

function columnSection({ name, type, verdict, reasons, baseline, current, chart }: ReportColumn): string {
  const why = reasons.length === 0 ? "" : `<p>${reasons.map(escaped).join(" ")}</p>`;
  return `<section><h3>${escaped(name)} <span class="${verdict}">${verdict}</span></h3>${why}${factsTable(type, baseline, current)}${chart === undefined ? "" : chartSvg(name, chart)}</section>`;
}

function factsTable(type: string, baseline: ColumnFacts | undefined, current: ColumnFacts | undefined): string {
  const line = (label: string, pick: (facts: ColumnFacts) => number | undefined, show = shown): string => {
    const values = [baseline, current].map((facts) => (facts === undefined ? undefined : pick(facts)));
    if (values.every((value) => value === undefined)) return "";
    return `<tr><td>${label}</td>${values.map((value) => `<td class="number">${show(value)}</td>`).join("")}</tr>`;
  };
  const place = (value: number | undefined): string =>
    (value === undefined ? undefined : timeText(type, value)) ?? shown(value);
  const lines = [
    line("values", ({ count }) => count),
    line("share of nulls", ({ missingShare }) => missingShare),
    line("share of NaN and infinities", ({ notFiniteShare }) => notFiniteShare),
    line("different values, about", ({ distinct }) => distinct),
    line("mean", ({ mean }) => mean, place),
    line("standard deviation", ({ standardDeviation }) => standardDeviation),
    line("median", ({ quantiles }) => quantiles?.[2], place),
    line("5 %", ({ quantiles }) => quantiles?.[0], place),
    line("95 %", ({ quantiles }) => quantiles?.[4], place),
  ];
  return `<table><thead><tr><th></th><th>baseline</th><th>now</th></tr></thead><tbody>${lines.join("")}</tbody></table>`;
}

/** Two bars a label, from the shares of both sides. */
function chartSvg(name: string, { labels, baseline, current }: ReportChart): string {
  const [width, height, foot] = [720, 160, 62];
  const step = width / Math.max(1, labels.length);
  const most = Math.max(Number.MIN_VALUE, ...baseline, ...current);
  const bar = (share: number, at: number, side: 0 | 1): string => {
    const tall = (share / most) * height;
    const title = `${labels[at] ?? ""}: ${shown(share * 100)} %, ${side === 0 ? "baseline" : "now"}`;
    return `<rect class="${side === 0 ? "base" : "now"}" x="${shown(at * step + step * (0.1 + 0.4 * side))}" y="${shown(height - tall)}" width="${shown(step * 0.4)}" height="${shown(tall)}"><title>${escaped(title)}</title></rect>`;
  };
  const texts = labels.map((label, at) => {
    const x = shown(at * step + step / 2);
    return `<text x="${x}" y="${height + 10}" text-anchor="end" transform="rotate(-40 ${x} ${height + 10})">${escaped(label.length > 14 ? `${label.slice(0, 13)}…` : label)}</text>`;
  });
  return `<svg viewBox="-30 0 ${width + 40} ${height + foot}" width="${width}" role="img" aria-label="${escaped(`Distribution of ${name}, before and now`)}">${baseline.map((share, at) => bar(share, at, 0)).join("")}${current.map((share, at) => bar(share, at, 1)).join("")}${texts.join("")}</svg>`;
}
