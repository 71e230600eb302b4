import { dashboardInvalid } from "../errors.ts";
import { evaluateQuery, type PanelRange, type PanelSeries } from "./evaluate-query.ts";
import type { MetricHistory, Point } from "./metric-history.ts";
import { type PanelQuery, promqlOf } from "./panel-query.ts";

export type PanelUnit = "seconds" | "share" | "perSecond" | "bytes" | "count" | "currency" | "time";

/** Lines over time, or how they stand now as figures or rows. */
export interface MetricPanel {
  readonly kind: "lines" | "figures" | "table";
  readonly title: string;
  readonly unit: PanelUnit;
  readonly queries: readonly {
    readonly query: PanelQuery;
    /** What a line is called, `{{label}}` being a label's value. */
    readonly legend: string;
  }[];
  /** Beyond it is bad. */
  readonly limit?: number | undefined;
}

/** Words and links. */
export interface TextPanel {
  readonly kind: "text";
  readonly title: string;
  readonly text: string;
  readonly links?: readonly { readonly title: string; readonly url: string }[] | undefined;
}

/** How values were distributed in training and are in serving, as shares of the same bins. */
export interface DistributionPanel {
  readonly kind: "distribution";
  readonly title: string;
  /** Of Grafana, which cannot see distributions: a metric of how far they are apart. */
  readonly distance: PanelQuery;
}

export type Panel = MetricPanel | TextPanel | DistributionPanel;

/** A label that can be chosen, and the metric whose values it takes. */
export interface DashboardVariable {
  readonly name: string;
  readonly metric: string;
}

/** One description, shown in Grafana, as a page of HTML, and in a terminal. */
export interface Dashboard {
  /** 8 to 40 letters, digits and `-`. */
  readonly uid: string;
  readonly title: string;
  readonly variables: readonly DashboardVariable[];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
  /** Metrics of the panels that no package of Millwright exports: prom-client's own, the container's, the GPU's. */
  readonly foreignMetrics: readonly string[];
}

/** Throws `MONITOR_DASHBOARD_INVALID`. */
export function defineDashboard(dashboard: Dashboard): Dashboard {
  const { uid, title, rows } = dashboard;
  if (!/^[\w-]{8,40}$/.test(uid)) throw dashboardInvalid(`the uid "${uid}" is not 8 to 40 letters, digits and -`);
  const panels = panelsOf(dashboard);
  if (panels.length === 0) throw dashboardInvalid(`"${title}" has no panel`);
  const titles = panels.map((panel) => panel.title);
  const twice = titles.find((each, at) => titles.indexOf(each) !== at);
  if (twice !== undefined) throw dashboardInvalid(`two panels are called "${twice}"`);
  for (const query of rows.flatMap((row) => row.panels).flatMap(queriesOf)) promqlOf(query);
  return dashboard;
}

export const panelsOf = ({ rows }: Dashboard): readonly Panel[] => rows.flatMap(({ panels }) => panels);

export const queriesOf = (panel: Panel): readonly PanelQuery[] =>
  panel.kind === "text"
    ? []
    : panel.kind === "distribution"
      ? [panel.distance]
      : panel.queries.map(({ query }) => query);

/** What a line is called. */
export const legendOf = (legend: string, labels: PanelSeries["labels"]): string =>
  legend.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? "");

/** Something that happened, over every plot. */
export interface DashboardAnnotation {
  readonly timeMs: number;
  readonly text: string;
}

/** Shares of the same bins, whose edges are between them. */
export interface Distribution {
  readonly column: string;
  readonly edges: readonly number[];
  readonly training: readonly number[];
  readonly serving: readonly number[];
}

export interface PanelData {
  readonly title: string;
  readonly lines: readonly {
    readonly name: string;
    readonly labels: PanelSeries["labels"];
    readonly points: readonly Point[];
  }[];
}

/** What a dashboard shows, computed. */
export interface DashboardData {
  readonly range: PanelRange;
  /** In the order of the panels; none of texts. */
  readonly panels: readonly PanelData[];
  readonly annotations: readonly DashboardAnnotation[];
  readonly distributions: readonly Distribution[];
}

/** Computes every panel from recorded metrics. Throws RangeError for a range without steps. */
export function readDashboard(
  dashboard: Dashboard,
  history: MetricHistory,
  range: PanelRange,
  {
    annotations = [],
    distributions = [],
  }: {
    readonly annotations?: readonly DashboardAnnotation[] | undefined;
    readonly distributions?: readonly Distribution[] | undefined;
  } = {},
): DashboardData {
  const panels = panelsOf(dashboard).map((panel): PanelData => {
    const queries =
      panel.kind === "text"
        ? []
        : panel.kind === "distribution"
          ? [{ query: panel.distance, legend: "" }]
          : panel.queries;
    const lines = queries.flatMap(({ query, legend }) =>
      evaluateQuery(query, history, range).map(({ labels, points }) => ({
        name: legendOf(legend, labels),
        labels,
        points,
      })),
    );
    return { title: panel.title, lines };
  });
  return { range, panels, annotations, distributions };
}
