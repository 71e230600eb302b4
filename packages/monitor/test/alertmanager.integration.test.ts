import { createManualClock, digestOf } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createAlertmanagerSilences, openAlertmanagerSink } from "../src/alertmanager.ts";
import { endpointDownAlert } from "../src/alerts.ts";
import { type AlertRule, openMonitor } from "../src/index.ts";
import { ruleOf } from "./alert-setting.ts";
import { alertmanagerProgram, hasAlertmanager, startAlertmanager } from "./alertmanager-server.ts";

const main = "endpoint/late/variant/main";
const candidate = "endpoint/late/variant/candidate";
const skipReason = `there is no ${alertmanagerProgram}: apt-get install prometheus-alertmanager, or name the program in MILLWRIGHT_ALERTMANAGER`;
const poll = { timeout: 30_000, interval: 50 };

interface Shown {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly generatorURL: string;
  readonly status: { readonly state: string };
}

const namesOf = (alerts: unknown): readonly string[] =>
  (alerts as readonly Shown[]).map(({ labels }) => `${labels["alertname"]} ${labels["variant"] ?? ""}`).toSorted();

test(
  "a real Alertmanager groups what fires, tells of it once, sees it silenced and ended, and is told anew after its restart",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true") skip(!hasAlertmanager, skipReason);
    await using server = await startAlertmanager();
    const [slow, wrong] = [ruleOf("slow"), ruleOf("wrong")];
    const rules: readonly AlertRule[] = [slow.rule, wrong.rule, endpointDownAlert({ endpoint: "late" })];
    const places = [createAlertmanagerSilences({ url: server.url })];
    await using monitor = openMonitor({ rules, alerting: { silenceSources: places } });
    await using sink = openAlertmanagerSink({
      source: monitor,
      alertmanagers: [{ url: server.url }],
      resendMs: 400,
      resolveTimeoutMs: 60_000,
      labels: { environment: "test" },
      generatorUrlOf: ({ name }) => `http://console.example/alerts/${name}`,
    });
    slow.set("firing", main, 3);
    wrong.set("firing", main, 3);
    wrong.set("firing", candidate, 4);
    const firing = await monitor.evaluate();
    expect(firing).toHaveLength(3);
    await expect
      .poll(async () => namesOf(await server.get("alerts")), poll)
      .toEqual(["slow main", "wrong candidate", "wrong main"]);
    const shown = (await server.get("alerts")) as readonly Shown[];
    const first = shown.find(({ labels }) => labels["alertname"] === "slow");
    expect(first?.labels).toEqual({
      alertname: "slow",
      severity: "page",
      subject: main,
      endpoint: "late",
      variant: "main",
      model: "late",
      version: "3",
      environment: "test",
    });
    expect(first).toMatchObject({
      annotations: { summary: "It is firing.", model_digest: digestOf("v3") },
      generatorURL: "http://console.example/alerts/slow",
      startsAt: new Date(firing[0]!.sinceMs).toISOString(),
    });
    // Two of one model version are one group.
    await expect
      .poll(() => server.notifications.map(({ alerts }) => alerts.length).toSorted((a, b) => a - b), poll)
      .toEqual([1, 2]);
    // It is told again and again, and tells nobody again.
    await expect.poll(() => sink.counts().posted, poll).toBeGreaterThan(9);
    expect(server.notifications).toHaveLength(2);

    const endsAt = new Date(Date.now() + 600_000).toISOString();
    const matchers = [
      { name: "alertname", value: "wr.+", isRegex: true, isEqual: true },
      { name: "variant", value: "candidate", isRegex: false, isEqual: true },
    ];
    const silence = {
      matchers,
      startsAt: new Date(Date.now() - 1_000).toISOString(),
      endsAt,
      createdBy: "kim",
      comment: "on it",
    };
    const { silenceID } = (await server.post("silences", silence)) as { readonly silenceID: string };
    await expect
      .poll(
        async () =>
          namesOf(
            await monitor.evaluate().then((alerts) =>
              alerts.map(({ name, subject }) => ({
                labels: { alertname: name, variant: subject.split("/").at(-1) },
              })),
            ),
          ),
        poll,
      )
      .toEqual(["slow main", "wrong main"]);
    expect(monitor.alerting.silences()).toMatchObject([{ id: silenceID, owner: "kim", comment: "on it" }]);
    expect(namesOf(await server.get("alerts?silenced=true&active=false"))).toEqual(["wrong candidate"]);

    // A restart forgets alerts, and is told them; it tells nobody anew.
    await server.stop();
    await expect.poll(() => sink.status()[0]?.failures ?? 0, poll).toBeGreaterThan(0);
    await server.start();
    await expect
      .poll(async () => namesOf(await server.get("alerts")), poll)
      .toEqual(["slow main", "wrong candidate", "wrong main"]);
    expect(sink.status()[0]?.failures).toBe(0);

    slow.set("ok", main, 3);
    wrong.set("ok", main, 3);
    await monitor.evaluate();
    await expect.poll(() => server.notifications.at(-1)?.status, poll).toBe("resolved");
    const last = server.notifications.at(-1);
    expect(last?.alerts.map(({ status, labels, endsMs }) => [status, labels["alertname"], typeof endsMs])).toEqual([
      ["resolved", "slow", "number"],
      ["resolved", "wrong", "number"],
    ]);
    expect(last?.groupLabels).toEqual({ endpoint: "late", model: "late", version: "3" });
    const keys = server.notifications.flatMap(({ alerts }) => alerts.map(({ deliveryKey }) => deliveryKey));
    expect(new Set(keys).size).toBe(keys.length);
    await expect.poll(async () => namesOf(await server.get("alerts")), poll).toEqual(["wrong candidate"]);
  },
);

test(
  "what ends while an Alertmanager is away is told when it is back, once",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true") skip(!hasAlertmanager, skipReason);
    await using server = await startAlertmanager();
    const wrong = ruleOf("wrong");
    await using monitor = openMonitor({ clock: createManualClock(Date.now()), rules: [wrong.rule] });
    await using sink = openAlertmanagerSink({ source: monitor, alertmanagers: [{ url: server.url }], resendMs: 2_000 });
    wrong.set("firing");
    await monitor.evaluate();
    await expect.poll(() => server.notifications.length, poll).toBe(1);
    // Seen again, so that the group is written down before it dies.
    await server.stop();
    wrong.set("ok");
    await monitor.evaluate();
    await expect.poll(() => sink.status()[0]?.failures ?? 0, poll).toBeGreaterThan(0);
    expect(sink.status()[0]).toMatchObject({ waiting: 1 });
    await server.start();
    await expect.poll(() => sink.status()[0]?.waiting, poll).toBe(0);
    expect(namesOf(await server.get("alerts"))).toEqual([]);
  },
);
