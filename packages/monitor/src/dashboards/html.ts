import type { Dashboard, DashboardData, Panel, PanelData } from "./dashboard.ts";
import { shownValue } from "./shown-value.ts";
import { colourOf, escapeXml, svgDistribution, svgPlot } from "./svg-plot.ts";

const style = `body{font:14px system-ui,sans-serif;margin:1.5rem;color:#222;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;border-bottom:1px solid #ccc}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(28rem,1fr));gap:1rem}section{border:1px solid #ddd;border-radius:4px;padding:.6rem}h3{font-size:1rem;margin:0 0 .4rem}
svg{width:100%;height:auto}svg text{font-size:10px;fill:#555}ul{list-style:none;padding:0;margin:.3rem 0;display:flex;flex-wrap:wrap;gap:.2rem 1rem}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left}
.figure{font-size:1.6rem;margin-right:1.5rem}.figure small{display:block;font-size:.8rem;color:#555}`;

/** The dashboard as one page that asks nobody for anything: no script, no style, font or picture of elsewhere. */
export function htmlDashboard(dashboard: Dashboard, data: DashboardData): string {
  let at = 0;
  const rows = dashboard.rows.map(({ title, panels }) => {
    const shown = panels.map((panel) => htmlPanel(panel, data.panels[at++] ?? { title: panel.title, lines: [] }, data));
    return `<h2>${escapeXml(title)}</h2>\n<div class="panels">\n${shown.join("\n")}\n</div>`;
  });
  const { fromMs, toMs } = data.range;
  const span = `${shownValue(fromMs / 1_000, "time")} to ${shownValue(toMs / 1_000, "time")}, UTC`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeXml(dashboard.title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeXml(dashboard.title)}</h1>
<p>${span}</p>
${rows.join("\n")}
</body>
</html>
`;
}

function htmlPanel(panel: Panel, shown: PanelData, data: DashboardData): string {
  return `<section data-panel="${escapeXml(panel.title)}"><h3>${escapeXml(panel.title)}</h3>${contentOf(panel, shown, data)}</section>`;
}

function contentOf(panel: Panel, shown: PanelData, data: DashboardData): string {
  if (panel.kind === "text") {
    const links = (panel.links ?? []).filter(({ url }) => /^https?:/.test(url));
    const list = links.map(({ title, url }) => `<a href="${escapeXml(url)}">${escapeXml(title)}</a>`);
    return `<p>${escapeXml(panel.text)}</p>${list.join(" ")}`;
  }
  if (panel.kind === "distribution") {
    const key = `<ul>${["training", "serving"].map(legendItem).join("")}</ul>`;
    const plots = data.distributions.map((each) => `<p>${escapeXml(each.column)}</p>${svgDistribution(each)}`);
    return plots.length === 0 ? "<p>no data</p>" : key + plots.join("");
  }
  if (shown.lines.length === 0) return "<p>no data</p>";
  const { unit, limit } = panel;
  const now = shown.lines.map(
    ({ name, points }) => [name, shownValue(points.at(-1)?.[1] ?? Number.NaN, unit)] as const,
  );
  if (panel.kind === "figures")
    return now
      .map(([name, value]) => `<span class="figure">${escapeXml(value)}<small>${escapeXml(name)}</small></span>`)
      .join("");
  if (panel.kind === "table")
    return `<table>${now.map(([name, value]) => `<tr><th>${escapeXml(name)}</th><td>${escapeXml(value)}</td></tr>`).join("")}</table>`;
  const { fromMs, toMs } = data.range;
  const plot = svgPlot(shown, { unit, fromMs, toMs, limit, annotations: data.annotations });
  return `${plot}<ul>${now.map(([name, value], at) => legendItem(`${name} ${value}`, at)).join("")}</ul>`;
}

const legendItem = (text: string, at: number): string =>
  `<li><svg viewBox="0 0 10 10" style="width:.7em" aria-hidden="true"><rect width="10" height="10" fill="${colourOf(at)}"/></svg> ${escapeXml(text)}</li>`;
