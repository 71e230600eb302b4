import { type Dashboard, defineDashboard, type Panel } from "./dashboard.ts";
import { endpointVariable, ofEndpoint, panel } from "./panels.ts";

export interface DebugDashboardOptions {
  /** Where training logs and traces are looked at. Default: none. */
  readonly logsUrl?: string | undefined;
  readonly tracesUrl?: string | undefined;
  /** Metric of how busy GPUs are, in percent. Default: `DCGM_FI_DEV_GPU_UTIL` of NVIDIA's exporter. */
  readonly gpuMetric?: string | undefined;
}

/** For who looks for the cause: training, distributions, the process, its container, and where time goes. */
export function debugDashboard({
  logsUrl,
  tracesUrl,
  gpuMetric = "DCGM_FI_DEV_GPU_UTIL",
}: DebugDashboardOptions = {}): Dashboard {
  return defineDashboard({
    uid: "millwright-debug",
    title: "Machine learning: debugging",
    variables: [endpointVariable],
    foreignMetrics: [
      gpuMetric,
      "container_cpu_usage_seconds_total",
      "container_memory_working_set_bytes",
      "nodejs_gc_duration_seconds",
      "nodejs_eventloop_lag_p99_seconds",
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
    ],
    rows: [
      { title: "Training", panels: trainingPanels(gpuMetric, logsUrl) },
      {
        title: "Training and serving",
        panels: [
          {
            kind: "distribution",
            title: "Distributions in training and serving",
            distance: {
              kind: "value",
              metric: "millwright_monitor_finding",
              by: ["rule", "subject"],
              match: { rule: "drift" },
              aggregate: "max",
            },
          },
        ],
      },
      { title: "Process and container", panels: processPanels },
      { title: "Where time goes", panels: timePanels(tracesUrl) },
    ],
  });
}

const links = (title: string, url: string | undefined) => (url === undefined ? [] : [{ title, url }]);

const trainingPanels = (gpuMetric: string, logsUrl: string | undefined): readonly Panel[] => [
  {
    kind: "text",
    title: "Training logs",
    text:
      logsUrl === undefined ? "Logs are with the runs; name `logsUrl` for a link to them." : "Logs of training runs:",
    links: links("Logs", logsUrl),
  },
  panel(
    "lines",
    "GPU utilisation",
    "count",
    [["{{gpu}}", { kind: "value", metric: gpuMetric, by: ["gpu"], aggregate: "avg" }]],
    100,
  ),
  panel("table", "Training runs", "count", [
    [
      "{{experiment}} {{status}}",
      { kind: "value", metric: "millwright_ledger_runs_total", by: ["experiment", "status"], aggregate: "max" },
    ],
  ]),
];

const processPanels: readonly Panel[] = [
  panel("lines", "Processor", "count", [
    ["process", { kind: "rate", metric: "process_cpu_seconds_total" }],
    ["{{container}}", { kind: "rate", metric: "container_cpu_usage_seconds_total", by: ["container"] }],
  ]),
  panel("lines", "Memory", "bytes", [
    ["process", { kind: "value", metric: "process_resident_memory_bytes" }],
    ["{{container}}", { kind: "value", metric: "container_memory_working_set_bytes", by: ["container"] }],
  ]),
  panel("lines", "Garbage collection", "share", [
    ["{{kind}}", { kind: "rate", metric: "nodejs_gc_duration_seconds_sum", by: ["kind"] }],
  ]),
  panel("lines", "Delay of the event loop", "seconds", [
    ["P99", { kind: "value", metric: "nodejs_eventloop_lag_p99_seconds", aggregate: "max" }],
  ]),
];

const timePanels = (tracesUrl: string | undefined): readonly Panel[] => [
  panel("lines", "In the model and around it", "seconds", [
    [
      "P95 model",
      { kind: "quantile", metric: "millwright_serving_model_latency_seconds", quantile: 0.95, match: ofEndpoint },
    ],
    [
      "P95 overhead",
      { kind: "quantile", metric: "millwright_serving_overhead_latency_seconds", quantile: 0.95, match: ofEndpoint },
    ],
  ]),
  panel("lines", "Nodes of graphs", "seconds", [
    [
      "P95 {{node}}",
      {
        kind: "quantile",
        metric: "millwright_serving_graph_node_seconds",
        quantile: 0.95,
        by: ["node"],
        match: ofEndpoint,
      },
    ],
  ]),
  {
    kind: "text",
    title: "Traces",
    text:
      tracesUrl === undefined
        ? "Requests carry a `traceparent`; name `tracesUrl` for a link to their traces."
        : "Traces of requests:",
    links: links("Traces", tracesUrl),
  },
];
