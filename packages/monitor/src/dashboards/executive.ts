import { type Dashboard, defineDashboard, type MetricPanel } from "./dashboard.ts";
import { panel } from "./panels.ts";

const costPanels: readonly MetricPanel[] = [
  panel("lines", "Cost by project", "currency", [
    ["{{project}}", { kind: "value", metric: "millwright_ledger_cost_total", by: ["project"] }],
  ]),
  panel("table", "Cost by model", "currency", [
    ["{{project}} {{model}}", { kind: "value", metric: "millwright_ledger_cost_total", by: ["project", "model"] }],
  ]),
];

const availabilityPanels: readonly MetricPanel[] = [
  panel("lines", "Availability by endpoint", "share", [
    [
      "{{endpoint}}",
      {
        kind: "ratio",
        metric: "millwright_serving_errors_total",
        total: "millwright_serving_requests_total",
        by: ["endpoint"],
        windowMs: 3_600_000,
        inverted: true,
      },
    ],
  ]),
  panel("figures", "Error budget left", "share", [
    ["{{slo}}", { kind: "value", metric: "millwright_monitor_budget_left", by: ["slo"], aggregate: "min" }],
  ]),
];

const accuracyPanels: readonly MetricPanel[] = [
  panel("lines", "What quality rules measure", "count", [
    [
      "{{subject}}",
      {
        kind: "value",
        metric: "millwright_monitor_finding",
        by: ["subject"],
        match: { rule: "quality" },
        aggregate: "max",
      },
    ],
  ]),
  panel("lines", "Drifted share of columns", "share", [
    [
      "{{subject}}",
      {
        kind: "value",
        metric: "millwright_monitor_finding",
        by: ["subject"],
        match: { rule: "drift" },
        aggregate: "max",
      },
    ],
  ]),
  panel("table", "What drifts", "count", [
    ["{{subject}}", { kind: "value", metric: "millwright_ledger_drifting", by: ["subject"], aggregate: "max" }],
  ]),
];

/** For those who pay: what it costs, whether it is there, whether it is right. */
export const executiveDashboard = (): Dashboard =>
  defineDashboard({
    uid: "millwright-executive",
    title: "Machine learning: cost, availability, accuracy",
    variables: [],
    foreignMetrics: [],
    rows: [
      {
        title: "Cost",
        panels: costPanels,
      },
      {
        title: "Availability",
        panels: availabilityPanels,
      },
      {
        title: "Accuracy and drift",
        panels: accuracyPanels,
      },
    ],
  });
