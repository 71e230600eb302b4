import type { ReportData } from "../src/report-data.ts";
import type { Quality } from "../src/quality.ts";

/** Text that would ask the network for something, were it not escaped. */
export const hostile = '<img src="https://192.0.2.1/asked.png">&<script>document.title = "run"</script>';

const quality: Quality = {
  rows: 1_000,
  auc: 0.71,
  logLoss: 0.45,
  brier: 0.14,
  meanProbability: 0.2,
  observedShare: 0.21,
  calibrationError: 0.012,
  bins: [0.05, 0.15, 0.25, 0.45].map((meanProbability) => ({
    rows: 250,
    meanProbability,
    observedShare: meanProbability + 0.01,
  })),
};
const percentiles = { p50: 0.4, p95: 0.9, p99: 2.1 };

const interval = { low: 0.05, high: 0.09 };
const worse = (kind: "linear" | "trivial") =>
  ({ kind, name: hostile, score: 0.52, advantage: 0.07, interval, verdict: "better" }) as const;

/** A report as the job would write it, with hostile text wherever text comes from outside. */
export const sample: ReportData = {
  formatVersion: 1,
  generatedMs: Date.UTC(2026, 0, 1),
  rows: 20_000,
  data: {
    flights: 20_000,
    airports: 60,
    routes: 900,
    firstMs: Date.UTC(2001, 0, 1),
    lastMs: Date.UTC(2001, 5, 30),
    months: ["January", "February", "March"].map((month, index) => ({
      month,
      flights: 6_000,
      lateShare: 0.2 + index / 50,
    })),
  },
  leakage: { labels: 200, values: 2_400, different: 0, closestMinutes: 3 },
  training: {
    trainRows: 12_000,
    validationRows: 3_000,
    features: 24,
    trials: [0, 1, 2, 3].map((number) => ({
      study: hostile,
      number,
      state: number === 2 ? "pruned" : "completed",
      value: 0.5 - number / 100,
      params: { units: 16, activation: hostile },
      epochs: 3,
    })),
    best: { network: { units: 16 } },
    epochs: [1, 2, 3].map((epoch) => ({ epoch, logLoss: 0.5 - epoch / 100, auc: 0.65 + epoch / 100 })),
    model: quality,
    models: [
      { name: "trees", quality },
      { name: "network", quality },
    ],
    baselines: [{ name: hostile, auc: 0.5, logLoss: 0.52 }],
    worth: {
      formatVersion: 1,
      task: "binary",
      metric: "logLoss",
      rows: 900,
      confidence: 0.95,
      method: "bca",
      resamples: 2_000,
      seed: 0,
      model: { name: hostile, score: 0.45, interval },
      baselines: [worse("trivial"), worse("trivial"), worse("linear")],
      hasProduction: false,
    },
  },
  registry: {
    version: hostile,
    digest: `sha256:${"ab".repeat(32)}`,
    approvedBy: hostile,
    lineage: [{ kind: "run", id: hostile, name: hostile, distance: 1 }],
  },
  replay: {
    requests: 3_000,
    outcomes: 3_000,
    requestsPerSecond: 900,
    inProcess: percentiles,
    http: { ...percentiles, requests: 300 },
    parity: { vectors: 300, values: 4_000, different: 0 },
    june: quality,
    days: Array.from({ length: 30 }, (_, index) => ({
      day: `2001-06-${String(index + 1).padStart(2, "0")}`,
      auc: 0.7 + (index % 5) / 100,
      logLoss: 0.45,
      lateShare: 0.2,
      meanProbability: 0.21,
    })),
  },
  canary: {
    candidate: hostile,
    share: 0.1,
    deployedMs: Date.UTC(2001, 5, 10),
    rolledBackMs: Date.UTC(2001, 5, 11),
    requests: 120,
    state: hostile,
    reason: hostile,
    events: [{ type: hostile, time: "2001-06-10T00:00:00Z" }],
    aliasAfter: "late@1",
  },
  watch: {
    drift: [hostile, "distance", "hour", "mean_3h", "flights_7d"].map((column, index) => ({
      column,
      psi: 0.31 - index / 20,
      ks: 0.2,
      jensenShannon: 0.1,
      drifted: index === 0,
    })),
    slos: [{ name: hostile, objective: 0.999, good: 998, total: 1_000, budgetLeft: 0.4, alerts: [hostile] }],
    advice: [hostile],
  },
  timings: [{ name: "data", title: hostile, durationMs: 1_200 }],
};
