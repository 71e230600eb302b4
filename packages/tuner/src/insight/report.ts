import type { CallOptions } from "@millwright/contracts";
import { type VegaLiteChart, chartOf } from "./charts.ts";
import { contourPlot } from "./contour.ts";
import {
  type StudyPlot,
  curvesPlot,
  historyPlot,
  importancePlot,
  parallelPlot,
  paretoPlot,
  slicePlot,
} from "./plots.ts";
import { type StudyRecord, byMerit } from "./record.ts";
import type { SpaceAdvice } from "./health.ts";

/** What is called of the packages `vega` and `vega-lite`: `{ ...vega, ...vegaLite }`, or these three of them. */
export interface PlotLibrary {
  readonly compile: (chart: never) => { readonly spec: unknown };
  readonly parse: (spec: never) => unknown;
  readonly View: new (
    runtime: never,
    options: { readonly renderer: "none" },
  ) => { toSVG(): Promise<string>; finalize(): unknown };
}

/** Draws a plot as an SVG element that needs nothing from outside. */
export async function drawPlot(plot: StudyPlot, library: PlotLibrary, { signal }: CallOptions = {}): Promise<string> {
  signal?.throwIfAborted();
  const config = { font: "system-ui, sans-serif", background: "white" };
  const chart: VegaLiteChart = { ...chartOf(plot), config };
  const { spec } = library.compile(chart as never);
  const view = new library.View(library.parse(spec as never) as never, { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

export interface StudyReportOptions extends CallOptions {
  readonly title: string;
  /** Shares by parameter; without them no such chart, and slices in the order of the space. */
  readonly importances?: Readonly<Record<string, number>> | undefined;
  readonly advice?: readonly SpaceAdvice[] | undefined;
}

/** A page with everything there is to see of a study: one file, without scripts, that needs nothing from outside. */
export async function studyReport(
  record: StudyRecord,
  library: PlotLibrary,
  { title, importances, advice = [], signal }: StudyReportOptions,
): Promise<string> {
  const drawn: string[] = [];
  for (const plot of plotsOf(record, importances)) drawn.push(await drawPlot(plot, library, { signal }));
  const best = byMerit(record)[0];
  const summary =
    best === undefined
      ? "No trial completed."
      : `Best of ${record.trials.length} trials: number ${best.number}, ${(best.values ?? [best.value]).join(", ")}.`;
  const items = advice.map(({ text }) => `<li>${escaped(text)}</li>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<style>body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}figure{display:inline-block;margin:.5rem}pre{background:#f4f4f4;padding:1rem;overflow:auto}</style></head>
<body><h1>${escaped(title)}</h1><p>${escaped(summary)}</p>
${best === undefined ? "" : `<pre>${escaped(JSON.stringify(best.params, null, 2))}</pre>`}
${items === "" ? "" : `<h2>The search space</h2><ul>${items}</ul>`}
${drawn.map((svg) => `<figure>${svg}</figure>`).join("\n")}
</body></html>
`;
}

const mostSlices = 8;

function plotsOf(record: StudyRecord, importances: Readonly<Record<string, number>> | undefined): readonly StudyPlot[] {
  const names = Object.keys(record.space).filter((name) => record.space[name]?.kind !== "constant");
  const ranked =
    importances === undefined ? names : names.toSorted((a, b) => (importances[b] ?? 0) - (importances[a] ?? 0));
  const planar = ranked.filter((name) => !["permutation", "subset"].includes(record.space[name]?.kind ?? ""));
  const [first, second] = planar;
  const curves = curvesPlot(record);
  return [
    ...record.directions.map((_, objective) => historyPlot(record, objective)),
    ...(record.directions.length > 1 ? [paretoPlot(record)] : []),
    ...(importances === undefined ? [] : [importancePlot(importances)]),
    parallelPlot(record),
    ...ranked.slice(0, mostSlices).map((name) => slicePlot(record, name)),
    ...(first === undefined || second === undefined ? [] : [contourPlot(record, first, second)]),
    ...(curves.curves.length > 0 ? [curves] : []),
  ];
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
