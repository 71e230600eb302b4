import * as dashboards from "../../packages/monitor/dist/dashboards.js";
import { createMeter } from "../../packages/monitor/dist/index.js";
import * as storage from "../../packages/storage/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const meter = createMeter();
const history = dashboards.createMetricHistory(meter.registry);
history.add([
  {
    name: "a_total",
    labels: { x: "1" },
    points: [
      [1_000, 1],
      [2_000, 3],
    ],
  },
]);
const query = { kind: "rate", metric: "a_total", by: ["x"], windowMs: 5_000 } as const;
const range = { fromMs: 1_000, toMs: 3_000, stepMs: 1_000 };
const board = dashboards.onCallDashboard();
const data = dashboards.readDashboard(board, history, range);
const events = storage.openMemoryEventLog();
const text = { kind: "text", title: "t", text: "x" } as const;
const own = {
  uid: "own-board",
  title: "own",
  variables: [],
  foreignMetrics: [],
  rows: [{ title: "r", panels: [text] }],
};

export const dashboardSubjects: Subjects = {
  executiveDashboard: well(dashboards.executiveDashboard),
  onCallDashboard: well(dashboards.onCallDashboard),
  debugDashboard: well(dashboards.debugDashboard, () => [{ logsUrl: "https://logs.example/" }]),
  defineDashboard: well(dashboards.defineDashboard, () => [own], {
    MONITOR_DASHBOARD_INVALID: () => dashboards.defineDashboard({ ...own, uid: "x" }),
  }),
  readDashboard: well(dashboards.readDashboard, () => [board, history, range, {}]),
  grafanaDashboard: well(dashboards.grafanaDashboard, () => [board]),
  expressionsOf: well(dashboards.expressionsOf, () => [board]),
  htmlDashboard: well(dashboards.htmlDashboard, () => [board, data]),
  terminalDashboard: well(dashboards.terminalDashboard, () => [board, data, { width: 20 }]),
  evaluateQuery: well(dashboards.evaluateQuery, () => [query, history, range], {
    RangeError: () => dashboards.evaluateQuery(query, history, { ...range, stepMs: 0 }),
  }),
  metricsOf: well(dashboards.metricsOf, () => [query]),
  promqlOf: well(dashboards.promqlOf, () => [query], {
    MONITOR_DASHBOARD_INVALID: () => dashboards.promqlOf({ kind: "rate", metric: "a-b" }),
  }),
  createMetricHistory: well(dashboards.createMetricHistory, () => [meter.registry, { retainMs: 5_000, maxSeries: 5 }]),
  ...methods("createMetricHistory()", () => dashboards.createMetricHistory(meter.registry), {
    record: [() => [1_000]],
    add: [() => [[{ name: "b", labels: {}, points: [[1, 2]] }]]],
    select: [() => ["a_total"]],
  }),
  createLedgerMetrics: well(dashboards.createLedgerMetrics, () => [{ events, meter }]),
  ...methods("createLedgerMetrics()", () => dashboards.createLedgerMetrics({ events, meter: createMeter() }), {
    update: [],
  }),
};
