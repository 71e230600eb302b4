import type { DashboardVariable, MetricPanel, PanelUnit } from "./dashboard.ts";
import type { PanelQuery } from "./panel-query.ts";

/** Of the endpoint that is chosen. */
export const ofEndpoint = { endpoint: "$endpoint" } as const;
export const endpointVariable: DashboardVariable = { name: "endpoint", metric: "millwright_serving_requests_total" };
/** A panel of metrics, its queries with their legends. */
export const panel = (
  kind: MetricPanel["kind"],
  title: string,
  unit: PanelUnit,
  queries: readonly (readonly [legend: string, query: PanelQuery])[],
  limit?: number,
): MetricPanel => ({
  kind,
  title,
  unit,
  queries: queries.map(([legend, query]) => ({ legend, query })),
  ...(limit === undefined ? {} : { limit }),
});
