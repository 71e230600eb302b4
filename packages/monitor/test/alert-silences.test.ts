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
  await expect.poll(() => posted).toEqual(["wrong main"]);
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
  await expect.poll(() => posted).toEqual(["wrong main", "wrong candidate"]);
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

test("silences begin and end when their time comes, between two evaluations: states, alerts, events, changes and gauges", async () => {
  const wrong = ruleOf("wrong");
  const { clock, log } = openSetting([]);
  const meter = createMeter();
  const evaluations = vi.spyOn(wrong.rule, "evaluate");
  await using monitor = openMonitor({ clock, events: log, rules: [wrong.rule], meter, evaluateEveryMs: 30 * minute });
  const pages = async () => /alerts\{severity="page"\} (\d+)/.exec(await meter.metrics())?.[1];
  const types = async () =>
    (await eventsOf(log)).map(({ type, time }) => `${type} ${(Date.parse(time) - startMs) / minute}`);
  const heard: string[] = [];
  const listening = (async () => {
    for await (const { state } of monitor.changes("endpoint")) heard.push(`${state} ${clock.nowMs() - startMs}`);
  })();
  const silence = (fromMs: number, untilMs: number) =>
    monitor.alerting.silence({
      match: { endpoint: "late" },
      owner: "kim",
      fromMs: startMs + fromMs,
      untilMs: startMs + untilMs,
    });
  const first = await silence(0, 40 * minute);
  const second = await silence(47 * minute, 55 * minute);
  wrong.set("firing");
  await clock.advance(30 * minute);
  expect(evaluations).toHaveBeenCalledTimes(1);
  expect(monitor.alerting.states()).toMatchObject([{ told: false, muted: { id: first.id } }]);
  expect(await monitor.alerts("endpoint")).toEqual([]);
  // Its end is seen when it comes, not 20 minutes later.
  await clock.advance(10 * minute);
  expect(evaluations).toHaveBeenCalledTimes(1);
  expect(await types()).toEqual(["alert.silenced 0", "alert.silenced 0", "alert.firing 40"]);
  expect(heard).toEqual([`firing ${40 * minute}`]);
  expect(monitor.alerting.states()).toMatchObject([{ told: true, muted: undefined }]);
  expect(await monitor.alerts("endpoint")).toHaveLength(1);
  expect(await pages()).toBe("1");
  // And one that begins hides it, and gives it back; it is told once.
  await clock.advance(7 * minute);
  expect(await pages()).toBe("0");
  expect(monitor.alerting.states()).toMatchObject([{ told: true, muted: { id: second.id } }]);
  expect(await monitor.alerts("endpoint")).toEqual([]);
  await clock.advance(8 * minute);
  expect(evaluations).toHaveBeenCalledTimes(1);
  expect(await pages()).toBe("1");
  expect((await types()).slice(2)).toEqual(["alert.firing 40"]);
  await monitor[Symbol.asyncDispose]();
  await listening;
});

test("a clock whose sleepers wake late, or a monitor that is only asked, tells the truth when it is asked", async () => {
  const wrong = ruleOf("wrong");
  const { clock, log } = openSetting([]);
  let aheadMs = 0;
  // Time passes, and nobody is woken: a process that was held up.
  const held = { ...clock, nowMs: () => clock.nowMs() + aheadMs };
  await using monitor = openMonitor({ clock: held, events: log, rules: [wrong.rule] });
  await monitor.alerting.silence({ match: { alertname: "wrong" }, owner: "kim", untilMs: startMs + 10 * minute });
  wrong.set("firing");
  wrong.set("firing", candidate, 2);
  expect(await monitor.evaluate()).toEqual([]);
  aheadMs = 10 * minute - 1;
  expect(monitor.alerting.states().every(({ muted }) => muted?.by === "silence")).toBe(true);
  aheadMs += 1;
  // Seen in the same turn; told once, whoever asks how often.
  expect(monitor.alerting.states().map(({ muted, told }) => `${muted?.by} ${told}`)).toEqual([
    "undefined true",
    "undefined true",
  ]);
  const [alerts] = await Promise.all([monitor.alerts("endpoint"), monitor.alerts("endpoint")]);
  expect(alerts).toHaveLength(2);
  expect(alerts[0]?.eventId).toBeDefined();
  expect(await monitor.alerting.acknowledge({ endpoint: "late" }, { by: "kim" })).toBe(2);
  expect((await eventsOf(log, ["alert.firing"])).map(({ subject }) => subject)).toEqual([main, candidate]);
  expect(await monitor.evaluate()).toHaveLength(2);
  expect(await eventsOf(log, ["alert.firing"])).toHaveLength(2);
});

test("nothing waits for silences of what does not fire, nor once a monitor is closed", async () => {
  const wrong = ruleOf("wrong");
  const { clock, log } = openSetting([]);
  let sleeping = 0;
  const sleep: typeof clock.sleep = (durationMs, { signal } = {}) => {
    if (durationMs > 1_000) sleeping += 1;
    const asleep = clock.sleep(durationMs, { signal });
    if (durationMs > 1_000)
      asleep
        .catch(() => {})
        .finally(() => (sleeping -= 1))
        .catch(() => {});
    return asleep;
  };
  const monitor = openMonitor({ clock: { ...clock, sleep }, events: log, rules: [wrong.rule] });
  const untilMs = startMs + 60 * minute;
  await monitor.alerting.silence({ match: { alertname: "other" }, owner: "kim", untilMs });
  await monitor.alerting.silence({ match: { variant: "candidate" }, owner: "kim", untilMs });
  wrong.set("firing");
  await monitor.evaluate();
  expect(sleeping).toBe(0);
  wrong.set("firing", candidate, 2);
  await monitor.evaluate();
  expect(sleeping).toBe(1);
  // A log that is closed with its monitor is not written to when the time comes.
  await monitor[Symbol.asyncDispose]();
  await clock.advance(90 * minute);
  expect(sleeping).toBe(0);
  expect((await eventsOf(log, ["alert.firing"])).map(({ subject }) => subject)).toEqual([main]);
});
