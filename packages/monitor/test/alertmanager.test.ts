import { type Alert, type Clock, createManualClock, digestOf } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openMonitor } from "../src/index.ts";
import {
  createAlertmanagerSilences,
  openAlertmanagerSink,
  parseAlertmanagerWebhook,
  postableAlert,
} from "../src/alertmanager.ts";
import { ruleOf } from "./alert-setting.ts";

const startMs = Date.UTC(2026, 0, 1);
const alertOf = (name: string, at = 0): Alert => ({
  name,
  subject: `endpoint/late/variant/${at}`,
  severity: "page",
  state: "firing",
  sinceMs: startMs,
  summary: "It is so.",
});

/** A monitor whose rules find what they are told to, evaluated once. */
async function firingMonitor(clock: Clock, rules: readonly ReturnType<typeof ruleOf>[]) {
  const monitor = openMonitor({ clock, rules: rules.map(({ rule }) => rule) });
  await monitor.evaluate();
  return monitor;
}

/** Alertmanagers that note what is posted, and answer what they are told to. */
function managers() {
  const posted: {
    readonly url: string;
    readonly headers: Headers;
    readonly alerts: readonly { readonly labels: Record<string, string>; readonly endsAt: string }[];
  }[] = [];
  let answer = (_url: string, _labels: readonly Record<string, string>[]): Response =>
    new Response("", { status: 200 });
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const alerts = JSON.parse(init?.body as string);
    const reply = answer(
      url as string,
      alerts.map(({ labels }: { readonly labels: Record<string, string> }) => labels),
    );
    if (reply.ok) posted.push({ url: url as string, headers: new Headers(init?.headers), alerts });
    return reply;
  };
  return { posted, fetch, answers: (next: typeof answer) => void (answer = next) };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test("each of several Alertmanagers is told at its own pace, with its own headers; an outage neither loses nor floods", async () => {
  const clock = createManualClock(startMs);
  const [slow, wrong] = [ruleOf("slow"), ruleOf("wrong")];
  for (const { set } of [slow, wrong]) set("firing");
  await using source = await firingMonitor(clock, [slow, wrong]);
  const { posted, fetch, answers } = managers();
  let tries = 0;
  answers((url) => {
    if (!url.startsWith("http://b")) return new Response("");
    tries += 1;
    throw new TypeError("refused");
  });
  const sink = openAlertmanagerSink({
    source,
    clock,
    fetch,
    alertmanagers: [{ url: "http://a:9093/", headers: { authorization: "Bearer a" } }, { url: "http://b:9093/prefix" }],
  });
  await turns();
  expect(posted.map(({ url, headers, alerts }) => [url, headers.get("authorization"), alerts.length])).toEqual([
    ["http://a:9093/api/v2/alerts", "Bearer a", 2],
  ]);
  expect(posted[0]?.alerts[0]?.endsAt).toBe(new Date(startMs + 300_000).toISOString());
  // An hour of outage: tries stay rare, and what heaps up is the state.
  for (let minute = 0; minute < 60; minute += 1) {
    await clock.advance(60_000);
    await turns();
    if (minute === 30) wrong.set("ok");
    if (minute === 30) await source.evaluate();
  }
  expect(tries).toBeGreaterThan(55);
  expect(tries).toBeLessThan(130);
  expect(sink.status()[1]).toMatchObject({ waiting: 2, lastTellingMs: undefined });
  answers(() => new Response(""));
  const before = posted.length;
  await clock.advance(60_000);
  await turns();
  const told = posted.slice(before).filter(({ url }) => url === "http://b:9093/prefix/api/v2/alerts");
  expect(
    told.flatMap(({ alerts }) =>
      alerts.map(({ labels, endsAt }) => [labels["alertname"], Date.parse(endsAt) < clock.nowMs()]),
    ),
  ).toEqual([
    ["slow", false],
    ["wrong", true],
  ]);
  expect(sink.status().map(({ failures, waiting }) => [failures, waiting])).toEqual([
    [0, 0],
    [0, 0],
  ]);
  const disposed = sink[Symbol.asyncDispose]();
  await clock.advance(1_000);
  await disposed;
});

test("one alert that an Alertmanager refuses does not keep the others from it, and no more are kept than allowed", async () => {
  const clock = createManualClock(startMs);
  const slow = ruleOf("slow");
  for (let at = 0; at < 200; at += 1) slow.set("firing", `endpoint/late/variant/${at}`);
  await using source = await firingMonitor(clock, [slow]);
  const { posted, fetch, answers } = managers();
  answers((_url, labels) =>
    labels.some(({ variant }) => variant === "7")
      ? new Response('"invalid label set"', { status: 400 })
      : new Response(""),
  );
  const sink = openAlertmanagerSink({ source, clock, fetch, alertmanagers: [{ url: "http://a" }], maxAlerts: 150 });
  await turns();
  const names = new Set(posted.flatMap(({ alerts }) => alerts.map(({ labels }) => labels["variant"])));
  expect(names.size).toBe(149);
  expect(sink.counts()).toEqual({ posted: 149, refused: 1, dropped: 50 });
  expect(Math.max(...posted.map(({ alerts }) => alerts.length))).toBeLessThanOrEqual(64);
  const disposed = sink[Symbol.asyncDispose]();
  await clock.advance(1_000);
  await disposed;
});

test("an alert is posted with its labels, evidence and times; labels that Alertmanager does not take are mended", () => {
  const evidence = {
    window: { fromMs: startMs - 60_000, toMs: startMs },
    samples: 40,
    model: { name: "late", version: 3, digest: digestOf("v3") },
  };
  const posted = postableAlert({ ...alertOf("slow"), value: 0.2, threshold: 0.01, evidence }, startMs + 1_000, {
    labels: { "9-team": "risk", empty: "" },
  });
  expect(posted).toEqual({
    labels: {
      alertname: "slow",
      severity: "page",
      subject: "endpoint/late/variant/0",
      endpoint: "late",
      variant: "0",
      model: "late",
      version: "3",
      _9_team: "risk",
    },
    annotations: {
      summary: "It is so.",
      value: "0.2",
      threshold: "0.01",
      window: "2025-12-31T23:59:00.000Z/2026-01-01T00:00:00.000Z",
      samples: "40",
      model_digest: digestOf("v3"),
    },
    startsAt: "2026-01-01T00:00:00.000Z",
    endsAt: "2026-01-01T00:00:01.000Z",
  });
});

test("webhooks of Alertmanager and of Grafana are read, and what is none is refused", () => {
  const alert = {
    status: "firing",
    labels: { alertname: "Drift" },
    annotations: { summary: "moved" },
    startsAt: "2026-01-01T00:00:00Z",
    endsAt: "0001-01-01T00:00:00Z",
    generatorURL: "",
    fingerprint: "0123456789abcdef",
  };
  const body = {
    receiver: "ours",
    status: "firing",
    alerts: [alert],
    groupLabels: {},
    groupKey: '{}:{alertname="Drift"}',
    version: "4",
    truncatedAlerts: 0,
  };
  const read = parseAlertmanagerWebhook(body);
  expect(read.alerts[0]).toEqual({
    status: "firing",
    labels: { alertname: "Drift" },
    annotations: { summary: "moved" },
    startsMs: startMs,
    endsMs: undefined,
    generatorUrl: undefined,
    deliveryKey: '{}:{alertname="Drift"} 0123456789abcdef 2026-01-01T00:00:00Z firing',
  });
  const grafana = {
    ...body,
    version: "1",
    orgId: 1,
    title: "x",
    alerts: [{ ...alert, status: "resolved", endsAt: "2026-01-01T01:00:00Z", values: { B: 1 } }],
  };
  expect(parseAlertmanagerWebhook(grafana).alerts[0]?.endsMs).toBe(startMs + 3_600_000);
  for (const wrong of [
    null,
    [],
    "x",
    {},
    { status: "firing" },
    { status: "odd", alerts: [] },
    { ...body, alerts: [{}] },
  ])
    expect(() => parseAlertmanagerWebhook(wrong)).toThrow(expect.objectContaining({ code: "MONITOR_WEBHOOK_INVALID" }));
});

test("silences that are over or cannot be read are left out, and an answer that is no list is an error", async () => {
  const silence = {
    id: "s1",
    status: { state: "active" },
    matchers: [{ name: "alertname", value: "x", isRegex: false }],
    startsAt: "2026-01-01T00:00:00Z",
    endsAt: "2026-01-02T00:00:00Z",
    createdBy: "",
    comment: "c",
  };
  const fetch =
    (body: unknown, status = 200) =>
    async () =>
      new Response(JSON.stringify(body), { status });
  const options = { url: "http://a" };
  const read = await createAlertmanagerSilences({
    ...options,
    fetch: fetch([silence, { ...silence, status: { state: "expired" } }, {}]),
  }).silences();
  expect(read).toEqual([
    {
      id: "s1",
      match: silence.matchers,
      owner: "unknown",
      comment: "c",
      fromMs: startMs,
      untilMs: startMs + 86_400_000,
    },
  ]);
  for (const answer of [fetch({}), fetch([], 500)])
    await expect(createAlertmanagerSilences({ ...options, fetch: answer }).silences()).rejects.toMatchObject({
      code: "MONITOR_ALERTMANAGER_UNREACHABLE",
    });
});
