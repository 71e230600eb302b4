import { createManualClock, createRandom, type EventId } from "../../packages/contracts/dist/index.js";
import * as actions from "../../packages/monitor/dist/actions.js";
import * as causes from "../../packages/monitor/dist/causes.js";
import * as probes from "../../packages/monitor/dist/probes.js";
import * as schedule from "../../packages/monitor/dist/schedule.js";
import { openMemoryRecordStore } from "../../packages/storage/dist/drivers/memory.js";
import { type Subjects, methods, well } from "./subjects.ts";

const signal = new AbortController().signal;
const clock = createManualClock(1_000_000);
const random = createRandom(1);
const alert = {
  name: "drift",
  subject: "endpoint/late",
  severity: "ticket",
  state: "firing",
  sinceMs: 5,
  summary: "drifted",
} as const;
const policy = actions.defineActions([{ name: "tell", action: "ticket", when: () => true }]);
const alerts = { alerts: async () => [alert], changes: async function* () {} };
const runner = { policy, alerts, subjects: ["endpoint/late"], handlers: { ticket: () => {} }, clock };
const losses = {
  champion: Float64Array.from({ length: 300 }, () => random.normal()),
  challenger: Float64Array.from({ length: 300 }, () => random.normal()),
};
const estimate = { mean: 0.5, standardError: 0.01 };

const acting: Subjects = {
  emptyActionState: well(actions.emptyActionState),
  defineActions: well(
    actions.defineActions,
    () => [[{ name: "tell", action: "ticket", when: () => true, afterMs: 5, maxPerDay: 2 }]],
    {
      MONITOR_ACTION_INVALID: () =>
        actions.defineActions([{ name: "tell", action: "ticket", when: () => true, quietMs: -1 }]),
    },
  ),
  decideActions: well(actions.decideActions, () => [policy, actions.emptyActionState(), [alert], 10]),
  createActionRunner: well(actions.createActionRunner, () => [runner], {
    MONITOR_ACTION_UNHANDLED: () => actions.createActionRunner({ ...runner, handlers: {} }),
  }),
  ...methods(
    "createActionRunner()",
    () => actions.createActionRunner({ ...runner, records: openMemoryRecordStore() }),
    {
      look: [() => [{ signal }]],
    },
  ),
  retrainGain: well(actions.retrainGain, () => [
    { recent: estimate, attainable: estimate, predictions: 10, valueOfLoss: 2 },
  ]),
  retrainGate: well(actions.retrainGate, () => [{ recent: losses, frozen: losses, alpha: 0.05, minimumRows: 100 }], {
    MONITOR_GATE_INVALID: () => actions.retrainGate({ recent: losses, alpha: 0 }),
  }),
};

const event = {
  specversion: "1.0",
  id: "e1" as EventId,
  source: "test",
  type: "deployment.completed",
  subject: "late",
  time: "2026-01-01T00:00:00.000Z",
  datacontenttype: "application/json",
  data: {},
} as const;
const noticedMs = Date.UTC(2026, 0, 1, 1);
const effect = { subject: "endpoint/late", kind: "drift", columns: ["km"], noticedMs } as const;

const probe = probes.jsonProbe({ name: "one", endpoint: "late", ask: async () => 1, expected: 1 });
const given = { probes: [probe], scheduled: false, clock, everyMs: 1000, timeoutMs: 100 };
const asked = probes.openProbes(given);
const times = schedule.cronTimes("0 * * * *");
const scheduled = { name: "late", run: () => {}, everyRows: 10, clock };

export async function actionSubjects(): Promise<Subjects> {
  const opened = await schedule.openMonitorSchedule(scheduled);
  return {
    ...acting,
    rankCauses: well(causes.rankCauses, () => [effect, { events: [event], lookBackMs: 1e9, limit: 3 }], {
      MONITOR_CAUSES_INVALID: () => causes.rankCauses(effect, { events: [], lookBackMs: 0 }),
    }),
    goldenProbes: well(probes.goldenProbes, () => [
      { manifest: { name: "late", golden: [] }, ask: () => ({}), endpoint: "late" },
    ]),
    jsonProbe: well(probes.jsonProbe, () => [{ name: "one", endpoint: "late", ask: async () => 1, expected: 1 }]),
    ...methods("jsonProbe()", () => probe, { ask: [() => [{ signal }]] }),
    openProbes: well(probes.openProbes, () => [given], {
      MONITOR_PROBES_INVALID: () => probes.openProbes({ ...given, everyMs: 0 }),
    }),
    ...methods("openProbes()", () => asked, {
      run: [() => [{ signal }]],
      results: [],
      alert: [() => [{ failures: 3 }], { MONITOR_PROBES_INVALID: () => asked.alert({ failures: 0 }) }],
    }),
    ...methods("openProbes().alert()", () => asked.alert(), { evaluate: [() => [{ nowMs: 5 }]] }),
    cronTimes: well(schedule.cronTimes, () => ["0 * * * *", { timeZone: "Europe/Berlin" }], {
      MONITOR_SCHEDULE_INVALID: () => schedule.cronTimes("nonsense"),
    }),
    ...methods("cronTimes()", () => times, { next: [() => [1_000_000]] }),
    openMonitorSchedule: well(
      schedule.openMonitorSchedule,
      () => [scheduled, { signal }],
      { MONITOR_SCHEDULE_INVALID: () => schedule.openMonitorSchedule({ ...scheduled, everyRows: 0 }) },
      30,
    ),
    ...methods("openMonitorSchedule()", () => opened, {
      rows: [() => [5]],
      labels: [() => [5]],
      trigger: [],
    }),
  };
}
