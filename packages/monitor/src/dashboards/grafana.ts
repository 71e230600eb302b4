import type { JsonObject } from "@millwright/contracts";
import { type Dashboard, type Panel, panelsOf, type PanelUnit } from "./dashboard.ts";
import { promqlOf } from "./panel-query.ts";

/** Grafana's names of units. */
const units: Readonly<Record<PanelUnit, string>> = {
  seconds: "s",
  share: "percentunit",
  perSecond: "reqps",
  bytes: "bytes",
  count: "short",
  currency: "currencyUSD",
  time: "dateTimeFromNow",
};

const datasource = { type: "prometheus", uid: "${DS}" };
const width = 12;
const height = 8;

/**
 * The dashboard in Grafana's classic JSON model, to be imported or provisioned: schema version 39, which every Grafana since 10 loads. Deployments are marked on
 * every plot, from `millwright_ledger_last_deployment_seconds`.
 */
export function grafanaDashboard(dashboard: Dashboard): JsonObject {
  const { uid, title, variables } = dashboard;
  return {
    id: null,
    uid,
    title,
    tags: ["millwright"],
    timezone: "browser",
    editable: true,
    graphTooltip: 1,
    time: { from: "now-6h", to: "now" },
    refresh: "30s",
    schemaVersion: 39,
    version: 0,
    links: [],
    annotations: {
      list: [
        {
          name: "Deployments",
          datasource,
          enable: true,
          iconColor: "blue",
          expr: "changes(millwright_ledger_last_deployment_seconds[1m]) > 0",
          step: "60s",
          titleFormat: "Deployment of {{endpoint}}",
        },
      ],
    },
    templating: {
      list: [
        { type: "datasource", name: "DS", query: "prometheus", label: "Data source", hide: 0 },
        ...variables.map(({ name, metric }) => ({
          type: "query",
          name,
          label: name,
          datasource,
          query: { query: `label_values(${metric}, ${name})`, refId: name },
          refresh: 2,
          includeAll: true,
          // Whatever is chosen becomes part of an expression: all of it matches anything.
          allValue: ".*",
          current: { text: "All", value: "$__all" },
          multi: true,
          hide: 0,
          sort: 1,
        })),
      ],
    },
    panels: placed(dashboard),
  };
}

function placed({ rows }: Dashboard): JsonObject[] {
  const panels: JsonObject[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title: row.title,
      collapsed: false,
      gridPos: { h: 1, w: 24, x: 0, y },
      panels: [],
    });
    y += 1;
    for (const [at, panel] of row.panels.entries()) {
      const gridPos = { h: height, w: width, x: (at % 2) * width, y: y + Math.floor(at / 2) * height };
      panels.push({ id: panels.length + 1, gridPos, ...grafanaPanel(panel) });
    }
    y += Math.ceil(row.panels.length / 2) * height;
  }
  return panels;
}

const types = { lines: "timeseries", figures: "stat", table: "table" } as const;

function grafanaPanel(panel: Panel): JsonObject {
  if (panel.kind === "text") {
    const content = [panel.text, ...(panel.links ?? []).map(({ title, url }) => `[${title}](${url})`)].join("\n\n");
    return { type: "text", title: panel.title, options: { mode: "markdown", content } };
  }
  const isDistance = panel.kind === "distribution";
  const queries = isDistance ? [{ query: panel.distance, legend: "{{subject}}" }] : panel.queries;
  const instant = isDistance || panel.kind !== "lines";
  const limit = isDistance ? undefined : panel.limit;
  const steps = [{ color: "green", value: null }, ...(limit === undefined ? [] : [{ color: "red", value: limit }])];
  return {
    type: isDistance ? "bargauge" : types[panel.kind],
    title: panel.title,
    datasource,
    targets: queries.map(({ query, legend }, at) => ({
      refId: String.fromCharCode(65 + at),
      expr: promqlOf(query),
      legendFormat: legend,
      range: !instant,
      instant,
      format: panel.kind === "table" ? "table" : "time_series",
      datasource,
    })),
    fieldConfig: {
      defaults: {
        unit: isDistance ? "percentunit" : panel.unit === "time" ? units.time : units[panel.unit],
        color: { mode: "palette-classic" },
        thresholds: { mode: "absolute", steps },
        mappings: [],
        custom: {},
      },
      overrides: [],
    },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
  };
}

/** The expressions of the dashboard's panels and annotations, with every variable standing for everything: what Prometheus is asked. */
export const expressionsOf = (dashboard: Dashboard): readonly string[] => [
  ...panelsOf(dashboard).flatMap((panel) =>
    panel.kind === "text"
      ? []
      : (panel.kind === "distribution" ? [panel.distance] : panel.queries.map(({ query }) => query)).map((query) =>
          promqlOf(query).replaceAll(/"\$\w+"/g, '".*"'),
        ),
  ),
  "changes(millwright_ledger_last_deployment_seconds[1m]) > 0",
];
