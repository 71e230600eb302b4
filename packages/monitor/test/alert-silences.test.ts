import { expect, test, vi } from "vitest";
import { openAlertmanagerSink } from "../src/alertmanager.ts";
import { createMeter, defineSlo, errorIndicator, openMonitor } from "../src/index.ts";
import { candidate, eventsOf, main, minute, openSetting, ruleOf, startMs } from "./alert-setting.ts";

test("a silence has an owner and an end, survives a restart, and loses nothing", async () => {
  const wrong = ruleOf("wrong");
  const { clock, log, open, told } = openSetting([wrong.rule]);
  {
    await using monitor = open();
    wrong.set("firing");
    wrong.set("firing", candidate, 2);
    const silence = await monitor.alerting.silence({
      match: { alertname: "wrong", endpoint: "late", variant: "main" },
      owner: "kim",
      comment: "the new model is on its way",
      untilMs: startMs + 60 * minute,
    });
    expect(silence).toMatchObject({ owner: "kim", fromMs: startMs });
    expect(await monitor.evaluate()).toMatchObject([{ subject: candidate }]);
    expect(monitor.alerting.states()[0]).toMatchObject({
      phase: "firing",
      told: false,
      muted: { by: "silence", id: silence.id },
    });
    expect((await eventsOf(log, ["alert.silenced"]))[0]?.data).toMatchObject({ id: silence.id, owner: "kim" });
  }
  await using monitor = open();
  await clock.advance(59 * minute);
  expect(await monitor.evaluate()).toMatchObject([{ subject: candidate }]);
  expect(monitor.alerting.silences()).toHaveLength(1);
  await clock.advance(minute);
  expect(await monitor.evaluate()).toHaveLength(2);
  expect((await told()).filter((each) => each.startsWith("firing"))).toEqual([
    `firing wrong ${candidate}`,
    `firing wrong ${main}`,
  ]);
  // A page that is silenced meanwhile is not told twice.
  const again = await monitor.alerting.silence({
    match: { subject: "endpoint/late" },
    owner: "kim",
    untilMs: startMs + 180 * minute,
  });
  expect(await monitor.alerts("endpoint")).toEqual([]);
  expect(await monitor.evaluate()).toEqual([]);
  await monitor.alerting.endSilence(again.id);
  expect(await monitor.alerts("endpoint")).toHaveLength(2);
  expect(await monitor.evaluate()).toHaveLength(2);
  expect((await told()).filter((each) => each.startsWith("firing"))).toHaveLength(2);
  await expect(monitor.alerting.endSilence(again.id)).rejects.toMatchObject({ code: "MONITOR_SILENCE_UNKNOWN" });
  await expect(monitor.alerting.silence({ match: {}, owner: "kim", untilMs: startMs + 1e9 })).rejects.toMatchObject({
    code: "MONITOR_SILENCE_INVALID",
  });
});

test("silences of another place are seen at the next evaluation, also those with expressions; a place that fails keeps its last", async () => {
  const wrong = ruleOf("wrong");
  let fails = false;
  const silence = { id: "s1", owner: "ops", comment: "", fromMs: 0, untilMs: startMs + 1e9 };
  const place = {
    silences: async () => {
      if (fails) throw new TypeError("away");
      const bad = { ...silence, id: "s2", match: [{ name: "alertname", value: "(a+)+$", isRegex: true }] };
      return [
        {
          ...silence,
          match: [
            { name: "alertname", value: "wr.*", isRegex: true },
            { name: "variant", value: "main" },
          ],
        },
        bad,
      ];
    },
  };
  const { open, told } = openSetting([wrong.rule], { silenceSources: [place] });
  await using monitor = open();
  wrong.set("firing");
  wrong.set("firing", candidate, 2);
  expect(await monitor.evaluate()).toMatchObject([{ subject: candidate }]);
  fails = true;
  expect(await monitor.evaluate()).toMatchObject([{ subject: candidate }]);
  expect(await told()).toEqual([`firing wrong ${candidate}`]);
});

test("who looks after an alert is kept with it, and told", async () => {
  const wrong = ruleOf("wrong");
  const { log, open } = openSetting([wrong.rule]);
  {
    await using monitor = open();
    wrong.set("firing");
    await monitor.evaluate();
    expect(await monitor.alerting.acknowledge({ alertname: "other" }, { by: "kim" })).toBe(0);
    expect(await monitor.alerting.acknowledge({ endpoint: "late" }, { by: "kim", comment: "on it" })).toBe(1);
  }
  const [firing, acknowledged] = await eventsOf(log);
  expect(acknowledged).toMatchObject({
    type: "alert.acknowledged",
    causationid: firing?.id,
    data: { by: "kim", comment: "on it" },
  });
  await using monitor = open();
  await monitor.evaluate();
  expect(monitor.alerting.states()).toMatchObject([{ told: true, acknowledged: { by: "kim", comment: "on it" } }]);
});

test("a silence takes effect when it is made and when it is ended, before the next evaluation: alerts, events, gauges and an Alertmanager", async () => {
  const wrong = ruleOf("wrong");
  const { clock, log } = openSetting([]);
  const meter = createMeter();
  await using monitor = openMonitor({ clock, events: log, rules: [wrong.rule], meter });
  const posted: string[] = [];
  const fetch: typeof globalThis.fetch = async (_url, init) => {
    const alerts = JSON.parse(init?.body as string) as readonly { readonly labels: Record<string, string> }[];
    posted.push(...alerts.map(({ labels }) => `${labels["alertname"]} ${labels["variant"]}`));
    return new Response("");
  };
  const sink = openAlertmanagerSink({ source: monitor, clock, fetch, alertmanagers: [{ url: "http://a" }] });
  const types = async () => (await eventsOf(log)).map(({ type, subject }) => `${type} ${subject ?? ""}`.trim());
  const pages = async () => /alerts\{severity="page"\} (\d+)/.exec(await meter.metrics())?.[1];
  const silence = (variant: string) =>
    monitor.alerting.silence({
      match: { endpoint: "late", variant },
      owner: "kim",
      untilMs: clock.nowMs() + 60 * minute,
    });
  const early = await silence("candidate");
  wrong.set("firing");
  wrong.set("firing", candidate, 2);
  await monitor.evaluate();
  await vi.waitFor(() => expect(posted).toEqual(["wrong main"]));
  expect(await types()).toEqual(["alert.silenced", `alert.firing ${main}`]);
  expect(await pages()).toBe("1");
  // What was told is hidden at once; it is neither ended nor told again.
  const later = await silence("main");
  expect(await monitor.alerts("endpoint")).toEqual([]);
  expect(await pages()).toBe("0");
  expect(monitor.alerting.states().map(({ muted }) => muted?.id)).toEqual([later.id, early.id]);
  // What was never told is told at once.
  await monitor.alerting.endSilence(early.id);
  expect(await monitor.alerts("endpoint")).toMatchObject([{ subject: candidate, state: "firing" }]);
  expect((await types()).slice(2)).toEqual(["alert.silenced", "alert.silenced", `alert.firing ${candidate}`]);
  expect((await monitor.alerts("endpoint"))[0]?.eventId).toBe((await eventsOf(log)).at(-1)?.id);
  await vi.waitFor(() => expect(posted).toEqual(["wrong main", "wrong candidate"]));
  await monitor.alerting.endSilence(later.id);
  expect(await monitor.alerts("endpoint")).toHaveLength(2);
  expect(await pages()).toBe("2");
  expect((await types()).slice(5)).toEqual(["alert.silenced"]);
  // Somebody looks after it from now on.
  expect(await monitor.alerting.acknowledge({ variant: "candidate" }, { by: "kim" })).toBe(1);
  expect(monitor.alerting.states().map(({ acknowledged }) => acknowledged?.by)).toEqual([undefined, "kim"]);
  await monitor.evaluate();
  expect((await types()).slice(6)).toEqual([`alert.acknowledged ${candidate}`]);
  const disposed = sink[Symbol.asyncDispose]();
  await clock.advance(1_000);
  await disposed;
});

test("what comes to be told when a silence ends is told by what was found last: its drift and its objective's burning are its causes", async () => {
  const { clock, log } = openSetting([]);
  const slo = defineSlo({ name: "available", objective: 0.999, sli: errorIndicator({ endpoint: "late" }) });
  await using monitor = openMonitor({ clock, events: log, slos: [slo] });
  const silence = await monitor.alerting.silence({
    match: { alertname: "available" },
    owner: "kim",
    untilMs: clock.nowMs() + 60 * minute,
  });
  monitor.count("available", 0, 100);
  expect(await monitor.evaluate()).toEqual([]);
  await monitor.alerting.endSilence(silence.id);
  const events = await eventsOf(log, ["alert.firing", "slo.burning"]);
  const burning = events.find(({ type }) => type === "slo.burning");
  expect(events.filter(({ type }) => type === "alert.firing").map(({ causationid }) => causationid)).toEqual([
    burning?.id,
    burning?.id,
  ]);
  expect(await monitor.alerts("endpoint/late")).toHaveLength(2);
});
