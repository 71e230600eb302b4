import { dashboardInvalid } from "../errors.ts";

/** Labels a series must have; `$endpoint` stands for what is chosen of the dashboard's variable. */
export type SeriesMatch = Readonly<Record<string, string>>;

interface QueryOf {
  /** Labels that tell the lines apart. Default: none, one line. */
  readonly by?: readonly string[] | undefined;
  readonly match?: SeriesMatch | undefined;
  /** Of rates, how far back. Default: 300,000. */
  readonly windowMs?: number | undefined;
}

/** What a panel shows: one meaning, written as PromQL for Prometheus, and computed here from recorded metrics. */
export type PanelQuery =
  /** How fast a counter grows, a second. */
  | (QueryOf & { readonly kind: "rate"; readonly metric: string })
  /** How much a counter grew within the window. */
  | (QueryOf & { readonly kind: "increase"; readonly metric: string })
  /** What a gauge or counter stands at. Default: their sum. */
  | (QueryOf & {
      readonly kind: "value";
      readonly metric: string;
      readonly aggregate?: "sum" | "max" | "min" | "avg" | undefined;
    })
  /** A quantile of what a histogram observed within the window, from its buckets; never an average of quantiles. */
  | (QueryOf & { readonly kind: "quantile"; readonly metric: string; readonly quantile: number })
  /** The rate of one counter over that of another; `inverted`: 1 minus it. */
  | (QueryOf & {
      readonly kind: "ratio";
      readonly metric: string;
      readonly total: string;
      readonly inverted?: boolean | undefined;
    });

export const usualWindowMs = 300_000;

/** The metrics that a query reads, as they are registered. */
export const metricsOf = (query: PanelQuery): readonly string[] =>
  query.kind === "ratio" ? [query.metric, query.total] : [query.metric];

/** The query in PromQL. Throws `MONITOR_DASHBOARD_INVALID` for names that Prometheus does not take. */
export function promqlOf(query: PanelQuery): string {
  const { kind, metric, match = {}, by = [], windowMs = usualWindowMs } = query;
  for (const name of [...metricsOf(query), ...by, ...Object.keys(match)])
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) throw dashboardInvalid(`"${name}" is no name of a metric or label`);
  if (!(windowMs >= 1_000)) throw dashboardInvalid(`a window of ${windowMs} ms is too short`);
  const selector = (name: string): string => `${name}${matchersOf(match)}`;
  const range = `[${Math.round(windowMs / 1_000)}s]`;
  const sum = (expr: string, labels = by): string =>
    labels.length === 0 ? `sum(${expr})` : `sum by (${labels.join(", ")}) (${expr})`;
  if (kind === "rate" || kind === "increase") return sum(`${kind}(${selector(metric)}${range})`);
  if (kind === "value") {
    const { aggregate = "sum" } = query;
    return sum(selector(metric)).replace(/^sum/, aggregate);
  }
  if (kind === "quantile")
    return `histogram_quantile(${query.quantile}, ${sum(`rate(${selector(`${metric}_bucket`)}${range})`, ["le", ...by])})`;
  const ratio = `${sum(`rate(${selector(metric)}${range})`)} / ${sum(`rate(${selector(query.total)}${range})`)}`;
  return query.inverted === true ? `1 - (${ratio})` : ratio;
}

function matchersOf(match: SeriesMatch): string {
  const all = Object.entries(match).map(([name, value]) =>
    value.startsWith("$")
      ? `${name}=~"${value}"`
      : `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`,
  );
  return all.length === 0 ? "" : `{${all.join(", ")}}`;
}
