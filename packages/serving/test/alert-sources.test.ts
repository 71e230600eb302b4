import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type AlertSourceFixture, alertSourceContract } from "@millwright/contracts/testing";
import { describe, expect, test } from "vitest";
import {
  type CloudWatchAlarm,
  createAlertmanagerSource,
  createCloudWatchSource,
  createPrometheusSource,
} from "@millwright/serving/rollout";

interface Firing {
  readonly name: string;
  readonly subject: string;
  readonly since: Date;
}

const pollMs = 10;
/** Changes are seen at the next look. */
const seen = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 6 * pollMs));

interface Told extends AlertSourceFixture, AsyncDisposable {}

/** An HTTP server that answers as the documentation of the two says. */
async function openHttp(kind: "alertmanager" | "prometheus"): Promise<Told> {
  const firing = new Map<string, Firing>();
  const server: Server = createServer((request, response) => {
    const wanted = kind === "alertmanager" ? "/api/v2/alerts" : "/api/v1/alerts";
    if (!request.url?.startsWith(wanted)) {
      response.statusCode = 404;
      response.end();
      return;
    }
    const alerts = [...firing.values()].map(({ name, subject, since }) => ({
      labels: { alertname: name, subject, severity: "critical" },
      annotations: { summary: `${name} is too high` },
      ...(kind === "alertmanager"
        ? { startsAt: since.toISOString(), status: { state: "active", silencedBy: [], inhibitedBy: [] } }
        : { state: "firing", activeAt: since.toISOString(), value: "1.5e+00" }),
    }));
    const pending = {
      labels: { alertname: "soon", subject: "endpoint/late" },
      state: "pending",
      activeAt: "2024-01-01T00:00:00Z",
    };
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify(kind === "alertmanager" ? alerts : { status: "success", data: { alerts: [pending, ...alerts] } }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const create = kind === "alertmanager" ? createAlertmanagerSource : createPrometheusSource;
  return {
    source: create({ url, pollMs }),
    async fire(name, subject) {
      firing.set(`${name} ${subject}`, { name, subject, since: new Date() });
      await seen();
    },
    async resolve(name, subject) {
      firing.delete(`${name} ${subject}`);
      await seen();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function openCloudWatch(): Told {
  const alarms = new Map<string, CloudWatchAlarm>();
  const subjects = new Map<string, string>();
  return {
    source: createCloudWatchSource({
      // Two pages, as CloudWatch gives many.
      client: {
        async describeAlarms({ NextToken }) {
          const all = [...alarms.values()];
          return NextToken === undefined
            ? { MetricAlarms: all.slice(0, 1), NextToken: "more" }
            : { MetricAlarms: all.slice(1) };
        },
      },
      alarms: { prefix: "" },
      insufficientData: "ok",
      pollMs,
      subjectOf: ({ AlarmName = "" }) => subjects.get(AlarmName),
    }),
    async fire(name, subject) {
      subjects.set(name, subject);
      alarms.set(name, {
        AlarmName: name,
        StateValue: "ALARM",
        StateReason: "Threshold Crossed",
        StateUpdatedTimestamp: new Date(),
        Threshold: 5,
      });
      await seen();
    },
    async resolve(name) {
      alarms.set(name, { AlarmName: name, StateValue: "OK" });
      await seen();
    },
    async [Symbol.asyncDispose]() {},
  };
}

const kinds: Readonly<Record<string, () => Promise<Told> | Told>> = {
  Alertmanager: () => openHttp("alertmanager"),
  Prometheus: () => openHttp("prometheus"),
  CloudWatch: openCloudWatch,
};

for (const [kind, open] of Object.entries(kinds)) {
  describe(`alerts of ${kind}`, () => {
    for (const { name, run } of alertSourceContract) {
      test(name, async () => {
        await using opened = await open();
        await run(opened);
      });
    }
  });
}

test("labels endpoint and variant make a subject; a server that fails or speaks otherwise is SERVING_ALERTS_UNREADABLE", async () => {
  const answer = (body: unknown, status = 200) => ({
    url: "http://alerts",
    pollMs,
    fetch: async () => new Response(JSON.stringify(body), { status }),
  });
  const labels = { alertname: "errors", endpoint: "late", variant: "candidate", severity: "info" };
  const source = createPrometheusSource(
    answer({
      status: "success",
      data: {
        alerts: [
          { labels, state: "firing", activeAt: "2024-01-01T00:00:00Z", value: "0.25" },
          { labels: {}, state: "firing" },
        ],
      },
    }),
  );
  expect(await source.alerts("endpoint/late/variant/candidate")).toEqual([
    {
      name: "errors",
      subject: "endpoint/late/variant/candidate",
      severity: "info",
      state: "firing",
      sinceMs: Date.UTC(2024, 0, 1),
      summary: "errors",
      value: 0.25,
    },
  ]);
  const unreadable = { code: "SERVING_ALERTS_UNREADABLE", retryable: true };
  for (const broken of [answer({}, 500), answer({}), answer(null)]) {
    await expect(createPrometheusSource(broken).alerts("endpoint")).rejects.toMatchObject(unreadable);
    await expect(createAlertmanagerSource(broken).alerts("endpoint")).rejects.toMatchObject(unreadable);
  }
  expect(() => createPrometheusSource({ url: "alerts:9093" })).toThrow(TypeError);
});

test("insufficient data of CloudWatch means what the caller says, and an alarm that is not there is told", async () => {
  const alarm: CloudWatchAlarm = {
    AlarmName: "errors",
    StateValue: "INSUFFICIENT_DATA",
    Dimensions: [
      { Name: "EndpointName", Value: "late" },
      { Name: "VariantName", Value: "candidate" },
    ],
  };
  const client = { describeAlarms: async () => ({ MetricAlarms: [alarm] }) };
  const told = (insufficientData: "ok" | "firing" | "unreadable", alarms = ["errors"]) =>
    createCloudWatchSource({ client, alarms, insufficientData }).alerts("endpoint/late/variant/candidate");
  expect(await told("ok")).toEqual([]);
  expect(await told("firing")).toMatchObject([{ name: "errors", state: "firing" }]);
  await expect(told("unreadable")).rejects.toThrow("insufficient data");
  await expect(told("ok", ["errors", "latency"])).rejects.toThrow("no alarm named latency");
  await expect(
    createCloudWatchSource({
      client: { describeAlarms: () => Promise.reject(new TypeError("no credentials")) },
      alarms: ["errors"],
      insufficientData: "ok",
    }).alerts("endpoint"),
  ).rejects.toMatchObject({ code: "SERVING_ALERTS_UNREADABLE" });
});
