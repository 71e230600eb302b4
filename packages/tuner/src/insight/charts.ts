import type { JsonValue } from "@millwright/contracts";
import type {
  Axis,
  ContourPlot,
  CurvesPlot,
  HistoryPlot,
  ImportancePlot,
  ParallelPlot,
  ParetoPlot,
  SlicePlot,
  StudyPlot,
} from "./plots.ts";

/** A Vega-Lite specification, version 5 or 6: draw it with `drawPlot`, or in a page with vega-embed. */
export type VegaLiteChart = Readonly<Record<string, JsonValue>>;

const colour = { point: "#1f6f8b", best: "#d1495b", calm: "#b7c4cf" };
const size = { width: 460, height: 280 };
const quantitative = { type: "quantitative", scale: { zero: false } } as const;

/** The chart of what a plot shows. */
export function chartOf(plot: StudyPlot): VegaLiteChart {
  const chart = chartOfKind(plot);
  return { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...size, ...chart };
}

function chartOfKind(plot: StudyPlot): VegaLiteChart {
  switch (plot.kind) {
    case "history":
      return historyChart(plot);
    case "slice":
      return sliceChart(plot);
    case "contour":
      return contourChart(plot);
    case "parallel":
      return parallelChart(plot);
    case "pareto":
      return paretoChart(plot);
    case "curves":
      return curvesChart(plot);
    case "importance":
      return importanceChart(plot);
  }
}

const values = (rows: readonly object[]): { readonly values: JsonValue } => ({ values: rows as unknown as JsonValue });

const channelOf = ({ parameter, scale }: Axis, field: string): VegaLiteChart =>
  scale === "names"
    ? { field, type: "nominal", title: parameter, sort: null }
    : { field, ...quantitative, scale: scale === "log" ? { type: "log" } : { zero: false }, title: parameter };

const tooltip = (...fields: readonly string[]): JsonValue => fields.map((field) => ({ field }));

function historyChart({ points, best, objective }: HistoryPlot): VegaLiteChart {
  const x = { field: "trial", type: "quantitative", title: "trial" } as const;
  const y = { field: "value", ...quantitative, title: `objective ${objective}` } as const;
  return {
    title: "Optimisation history",
    layer: [
      {
        data: values(points),
        mark: { type: "point", filled: true, size: 36, color: colour.point },
        encoding: {
          x,
          y,
          opacity: { condition: { test: "datum.feasible", value: 0.7 }, value: 0.2 },
          tooltip: tooltip("trial", "value", "feasible"),
        },
      },
      { data: values(best), mark: { type: "line", interpolate: "step-after", color: colour.best }, encoding: { x, y } },
    ],
  };
}

function sliceChart({ axis, points }: SlicePlot): VegaLiteChart {
  return {
    title: `Slice: ${axis.parameter}`,
    data: values(points),
    mark: { type: "point", filled: true, size: 36 },
    encoding: {
      x: channelOf(axis, "x"),
      y: { field: "value", ...quantitative, title: "objective" },
      color: { field: "trial", type: "quantitative", title: "trial", scale: { scheme: "blues" } },
      tooltip: tooltip("trial", "x", "value"),
    },
  };
}

function contourChart({ x, y, points, cells }: ContourPlot): VegaLiteChart {
  const rows = cells.map((cell) => ({ x: cell.x[0], x2: cell.x[1], y: cell.y[0], y2: cell.y[1], value: cell.value }));
  const cell = {
    x: channelOf(x, "x"),
    y: channelOf(y, "y"),
    ...(x.scale === "names" ? {} : { x2: { field: "x2" } }),
    ...(y.scale === "names" ? {} : { y2: { field: "y2" } }),
    color: { field: "value", type: "quantitative", title: "objective", scale: { scheme: "viridis" } },
  } as const;
  return {
    title: `Contour: ${x.parameter} and ${y.parameter}`,
    layer: [
      { data: values(rows), mark: { type: "rect" }, encoding: cell },
      {
        data: values(points),
        mark: { type: "point", filled: true, size: 16, color: "black" },
        encoding: { x: channelOf(x, "x"), y: channelOf(y, "y"), tooltip: tooltip("trial", "value") },
      },
    ],
  };
}

function parallelChart({ parameters, lines }: ParallelPlot): VegaLiteChart {
  const rows = lines.flatMap(({ trial, value, at }) =>
    Object.entries(at).map(([parameter, place]) => ({ trial, value, parameter, place })),
  );
  return {
    title: "Parallel coordinates",
    data: values(rows),
    mark: { type: "line", opacity: 0.5 },
    encoding: {
      x: { field: "parameter", type: "nominal", sort: [...parameters], title: null },
      y: { field: "place", type: "quantitative", scale: { domain: [0, 1] }, title: "place in its range" },
      detail: { field: "trial", type: "nominal" },
      color: { field: "value", type: "quantitative", title: "objective", scale: { scheme: "viridis" } },
    },
  };
}

function paretoChart({ objectives, points }: ParetoPlot): VegaLiteChart {
  return {
    title: "Pareto front",
    data: values(points),
    mark: { type: "point", filled: true, size: 40 },
    encoding: {
      x: { field: "x", ...quantitative, title: `objective ${objectives[0]}` },
      y: { field: "y", ...quantitative, title: `objective ${objectives[1]}` },
      color: { condition: { test: "datum.front", value: colour.best }, value: colour.calm },
      tooltip: tooltip("trial", "x", "y"),
    },
  };
}

function curvesChart({ curves }: CurvesPlot): VegaLiteChart {
  const rows = curves.flatMap(({ trial, state, points }) => points.map((point) => ({ trial, state, ...point })));
  return {
    title: "Learning curves",
    data: values(rows),
    mark: { type: "line", point: { size: 12 }, opacity: 0.6 },
    encoding: {
      x: { field: "step", type: "quantitative", title: "step" },
      y: { field: "value", ...quantitative, title: "reported value" },
      detail: { field: "trial", type: "nominal" },
      color: { field: "state", type: "nominal", title: "trial" },
      tooltip: tooltip("trial", "step", "value", "state"),
    },
  };
}

function importanceChart({ bars }: ImportancePlot): VegaLiteChart {
  return {
    title: "Importance",
    data: values(bars),
    mark: { type: "bar", color: colour.point },
    encoding: {
      x: { field: "importance", type: "quantitative", title: "share of the variance" },
      y: { field: "parameter", type: "nominal", sort: "-x", title: null },
      tooltip: tooltip("parameter", "importance"),
    },
  };
}
