import { batchOf, profileOf } from "../../packages/data/dist/index.js";
import * as backtesting from "../../packages/monitor/dist/backtest.js";
import { createPageHinkley } from "../../packages/monitor/dist/detectors.js";
import { compare, errorRateAlert, recommended } from "../../packages/monitor/dist/index.js";
import { shift } from "../../packages/monitor/dist/injection.js";
import { methods, type Subjects, well } from "./subjects.ts";

const windows = Array.from({ length: 8 }, (_, index) => {
  const rows = batchOf({ km: Float64Array.from({ length: 30 }, (__, row) => Math.sin(index + row)) });
  return { startMs: index * 60_000, endMs: (index + 1) * 60_000, profile: profileOf(rows), rows };
});
const policy = { ...recommended(), minimumSamples: 10 };
const monitor = (history: typeof windows) => {
  const [first] = history;
  return { judge: (window: (typeof windows)[number]) => compare(first!.profile, window.profile, policy) };
};
const options = {
  historyWindows: 2,
  judgedWindows: 3,
  drifts: { far: [shift("km", 9)] },
  repetitions: 2,
  horizonWindows: 2,
  confidence: 0.9,
  seed: 1,
};
const report = await backtesting.backtest(monitor as never, windows, options);
const asked = { falseAlarmsPerYear: 1e9, by: "estimate", drifts: { far: { share: 0.5, medianDelayMs: 1e9 } } } as const;
const column = { column: "km", create: () => createPageHinkley() };

const answers = Array.from({ length: 30 }, (_, index) => ({
  requestId: `r${index}`,
  endpoint: "late",
  variant: "main",
  model: { name: "late", digest: `sha256:${"0".repeat(64)}` },
  timeMs: index * 1_000,
  latencyMs: 5,
  features: batchOf({ km: Float64Array.of(index) }),
}));
const history = { answers, labels: [{ requestId: "r1", row: 0, value: 1, timeMs: 20_000 }] };
const rules = () => ({
  rules: [errorRateAlert({ endpoint: "late" })],
  interventions: [{ atMs: 15_000, act: () => undefined }],
});
const injected = (column: string) => ({ everyMs: 10_000, drift: { fromMs: 15_000, drifts: [shift(column, 9)] } });

/** What `@millwright/monitor/backtest` exports. */
export const backtestSubjects = (): Subjects => ({
  backtest: well(
    backtesting.backtest,
    () => [monitor, windows, { ...options, onProgress: () => {}, signal: new AbortController().signal }],
    { MONITOR_BACKTEST_INVALID: () => backtesting.backtest(monitor as never, []) },
  ),
  approveBacktest: well(backtesting.approveBacktest, () => [report, asked], {
    MONITOR_BACKTEST_INVALID: () => backtesting.approveBacktest(report, { falseAlarmsPerYear: -1 }),
    MONITOR_BACKTEST_REFUSED: () =>
      backtesting.approveBacktest(
        { ...report, falseAlarms: { ...report.falseAlarms, perYear: 100 } },
        { falseAlarmsPerYear: 1 },
      ),
  }),
  detectorMonitor: well(backtesting.detectorMonitor, () => [column], {
    MONITOR_BACKTEST_INVALID: () =>
      backtesting.detectorMonitor({ column: 1 as never, create: () => createPageHinkley() }),
  }),
  backtestRules: well(
    backtesting.backtestRules,
    () => [
      rules,
      history,
      {
        everyMs: 10_000,
        warmUpMs: 0,
        disorderMs: 60_000,
        mostAlerts: 10,
        incidents: { it: { fromMs: 10_000, toMs: 20_000 } },
        graceMs: 0,
        confidence: 0.9,
        seed: 1,
        onProgress: () => {},
        signal: new AbortController().signal,
      },
    ],
    {
      MONITOR_BACKTEST_INVALID: () => backtesting.backtestRules(rules, { answers: [] }),
      MONITOR_INJECTION_INVALID: () => backtesting.backtestRules(rules, history as never, injected("none")),
      MONITOR_RULE_INVALID: () =>
        backtesting.backtestRules(() => ({ rules: [...rules().rules, ...rules().rules] }), history as never),
    },
  ),
  ...methods("detectorMonitor()()", () => backtesting.detectorMonitor(column)(windows), {
    judge: [() => [windows[0]]],
  }),
});
