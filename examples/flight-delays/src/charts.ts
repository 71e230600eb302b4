import { compile, type TopLevelSpec } from "vega-lite";
import { View, parse } from "vega";

/** Draws a Vega-Lite chart as an SVG element that needs nothing from outside. */
export async function drawChart(chart: TopLevelSpec): Promise<string> {
  const config = { font: "system-ui, sans-serif", background: "transparent", view: { stroke: "transparent" } };
  const { spec } = compile({ ...chart, config } as TopLevelSpec);
  const view = new View(parse(spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

export const palette = { ours: "#1f6f8b", other: "#b7c4cf", warm: "#d1495b", calm: "#66a182" };
