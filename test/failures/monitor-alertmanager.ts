import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as alertmanager from "../../packages/monitor/dist/alertmanager.js";
import { openMonitor } from "../../packages/monitor/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const clock = createManualClock(1_000_000);
const source = openMonitor({ clock });
const silence = {
  id: "s1",
  status: { state: "active" },
  matchers: [{ name: "alertname", value: "slow", isRegex: false }],
  startsAt: "2026-01-01T00:00:00Z",
  endsAt: "2026-01-02T00:00:00Z",
  createdBy: "kim",
};
const fetchOf = (status: number) => async (): Promise<Response> => new Response(JSON.stringify([silence]), { status });
const options = { source, alertmanagers: [{ url: "http://alertmanager:9093" }], fetch: fetchOf(200) };
const sink = alertmanager.openAlertmanagerSink(options);
const silences = alertmanager.createAlertmanagerSilences({ url: "http://alertmanager:9093", fetch: fetchOf(200) });
const alert = {
  name: "slow",
  subject: "endpoint/late",
  severity: "page",
  state: "firing",
  sinceMs: 1,
  summary: "slow",
};

export const alertmanagerSubjects: Subjects = {
  postableAlert: well(alertmanager.postableAlert, () => [alert, 5_000, { labels: { team: "risk" } }]),
  parseAlertmanagerWebhook: well(
    alertmanager.parseAlertmanagerWebhook,
    () => [{ status: "firing", alerts: [{ status: "firing", startsAt: "2026-01-01T00:00:00Z" }] }],
    { MONITOR_WEBHOOK_INVALID: () => alertmanager.parseAlertmanagerWebhook({ alerts: 5 }) },
  ),
  createAlertmanagerSilences: well(
    alertmanager.createAlertmanagerSilences,
    () => [{ url: "http://alertmanager:9093" }],
    {
      "TypeError: no address": () => alertmanager.createAlertmanagerSilences({ url: "alertmanager" }),
    },
  ),
  ...methods("createAlertmanagerSilences()", () => silences, {
    silences: [
      () => [{}],
      {
        MONITOR_ALERTMANAGER_UNREACHABLE: () =>
          alertmanager.createAlertmanagerSilences({ url: "http://a", fetch: fetchOf(500) }).silences(),
      },
    ],
  }),
  openAlertmanagerSink: well(
    async (...given: Parameters<typeof alertmanager.openAlertmanagerSink>) => {
      await alertmanager.openAlertmanagerSink(...given)[Symbol.asyncDispose]();
    },
    () => [options],
    {
      "TypeError: no Alertmanager": () => alertmanager.openAlertmanagerSink({ ...options, alertmanagers: [] }),
      "RangeError: told again too late": () =>
        alertmanager.openAlertmanagerSink({ ...options, resendMs: 5_000, resolveTimeoutMs: 1_000 }),
    },
    20,
  ),
  ...methods("openAlertmanagerSink()", () => sink, { status: [], counts: [] }),
};

export const closeAlertmanager = (): Promise<void> => Promise.resolve(sink[Symbol.asyncDispose]());
