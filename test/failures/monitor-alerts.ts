import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as alerts from "../../packages/monitor/dist/alerts.js";
import { openMonitor } from "../../packages/monitor/dist/index.js";
import * as storage from "../../packages/storage/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const clock = createManualClock(1_000_000);
const events = storage.openMemoryEventLog();
const watched = openMonitor({ clock });
const silence = { match: { alertname: "latency" }, owner: "kim", untilMs: 5_000_000 };
const forecast = {
  subject: "project/pricing",
  budget: 100,
  period: { fromMs: 0, toMs: 2_000_000 },
  spent: () => ({ amount: 1, records: 1 }),
};
const view = { nowMs: 1_000_000, endpoints: () => [], variants: () => [], read: () => watched.read("late", "main") };
const ofEvents = {
  name: "late",
  events,
  firing: ["run.failed"],
  resolved: ["run.finished"],
  subjectOf: () => "pipeline/late",
};

export const alertSubjects: Subjects = {
  alertLabels: well(alerts.alertLabels, () => [
    {
      name: "latency",
      subject: "endpoint/late/variant/main",
      severity: "page",
      state: "firing",
      sinceMs: 1,
      summary: "slow",
    },
  ]),
  endpointInhibitions: well(alerts.endpointInhibitions),
  endpointDownAlert: well(alerts.endpointDownAlert, () => [{ endpoint: "late", threshold: 0.5, windowMs: 1_000 }], {
    MONITOR_RULE_INVALID: () => alerts.endpointDownAlert({ endpoint: "late", threshold: 7 }),
  }),
  costForecastAlert: well(alerts.costForecastAlert, () => [forecast], {
    MONITOR_RULE_INVALID: () => alerts.costForecastAlert({ ...forecast, budget: 0 }),
  }),
  ...methods("costForecastAlert()", () => alerts.costForecastAlert(forecast), { evaluate: [() => [view]] }),
  eventAlert: well(alerts.eventAlert, () => [ofEvents]),
  ...methods("eventAlert()", () => alerts.eventAlert(ofEvents), { evaluate: [() => [view]], prepare: [() => [{}]] }),
  trainingFailureAlert: well(alerts.trainingFailureAlert, () => [{ events, pipelineOf: () => "pipeline/late" }]),
  ...methods("openMonitor().alerting", () => watched.alerting, {
    states: [],
    silences: [],
    silence: [
      () => [silence],
      {
        "MONITOR_SILENCE_INVALID: without a label": () => watched.alerting.silence({ ...silence, match: {} }),
        "MONITOR_SILENCE_INVALID: without an owner": () => watched.alerting.silence({ ...silence, owner: "" }),
        "MONITOR_SILENCE_INVALID: that is past": () => watched.alerting.silence({ ...silence, untilMs: 1 }),
      },
    ],
    endSilence: [
      async () => [(await watched.alerting.silence(silence)).id],
      { MONITOR_SILENCE_UNKNOWN: () => watched.alerting.endSilence("none") },
    ],
    acknowledge: [
      () => [{ alertname: "latency" }, { by: "kim", comment: "on it" }],
      { MONITOR_SILENCE_INVALID: () => watched.alerting.acknowledge([], { by: "kim" }) },
    ],
  }),
};
