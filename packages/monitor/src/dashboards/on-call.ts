import { type Dashboard, defineDashboard, type MetricPanel } from "./dashboard.ts";
import { endpointVariable, ofEndpoint, panel } from "./panels.ts";
import type { PanelQuery } from "./panel-query.ts";

const latency = (quantile: number): readonly [string, PanelQuery] => [
  `P${quantile * 100} {{endpoint}} {{variant}}`,
  {
    kind: "quantile",
    metric: "millwright_serving_latency_seconds",
    quantile,
    by: ["endpoint", "variant"],
    match: ofEndpoint,
  },
];

const errorShare = (by: readonly string[]): PanelQuery => ({
  kind: "ratio",
  metric: "millwright_serving_errors_total",
  total: "millwright_serving_requests_total",
  by,
  match: ofEndpoint,
});

const healthPanels: readonly MetricPanel[] = [
  panel("lines", "Latency", "seconds", [latency(0.95), latency(0.99)]),
  panel("lines", "Error rate", "share", [["{{endpoint}} {{variant}}", errorShare(["endpoint", "variant"])]]),
  panel("lines", "Requests", "perSecond", [
    [
      "{{endpoint}} {{variant}} {{version}}",
      {
        kind: "rate",
        metric: "millwright_serving_requests_total",
        by: ["endpoint", "variant", "version"],
        match: ofEndpoint,
      },
    ],
  ]),
  panel("figures", "Alerts that fire", "count", [
    ["{{severity}}", { kind: "value", metric: "millwright_monitor_alerts", by: ["severity"], aggregate: "max" }],
  ]),
];

const replicaPanels: readonly MetricPanel[] = [
  panel("figures", "Replicas that answer", "count", [["replicas", { kind: "value", metric: "up" }]]),
  panel("figures", "Workers wanted", "count", [
    ["workers", { kind: "value", metric: "millwright_serving_workers_wanted" }],
  ]),
  panel("lines", "Turned away at the door", "perSecond", [
    [
      "{{endpoint}} {{reason}}",
      { kind: "rate", metric: "millwright_serving_shed_total", by: ["endpoint", "reason"], match: ofEndpoint },
    ],
  ]),
  panel("lines", "In flight", "count", [
    ["{{endpoint}}", { kind: "value", metric: "millwright_serving_in_flight", by: ["endpoint"], match: ofEndpoint }],
  ]),
];

const deploymentPanels: readonly MetricPanel[] = [
  panel("table", "Recent deployments", "time", [
    [
      "{{endpoint}}",
      {
        kind: "value",
        metric: "millwright_ledger_last_deployment_seconds",
        by: ["endpoint"],
        match: ofEndpoint,
        aggregate: "max",
      },
    ],
  ]),
  panel("table", "What became of deployments", "count", [
    [
      "{{endpoint}} {{state}}",
      {
        kind: "value",
        metric: "millwright_ledger_deployments_total",
        by: ["endpoint", "state"],
        match: ofEndpoint,
        aggregate: "max",
      },
    ],
  ]),
  panel("lines", "Canary's share of requests", "share", [
    [
      "{{endpoint}}",
      {
        kind: "value",
        metric: "millwright_ledger_canary_share",
        by: ["endpoint"],
        match: ofEndpoint,
        aggregate: "max",
      },
    ],
  ]),
];

/** For who is woken: what is slow, what fails, what was changed. */
export const onCallDashboard = (): Dashboard =>
  defineDashboard({
    uid: "millwright-on-call",
    title: "Machine learning: on call",
    variables: [endpointVariable],
    foreignMetrics: ["up"],
    rows: [
      {
        title: "Health",
        panels: healthPanels,
      },
      {
        title: "Replicas",
        panels: replicaPanels,
      },
      {
        title: "Deployments",
        panels: deploymentPanels,
      },
    ],
  });
