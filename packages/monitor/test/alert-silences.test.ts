import { expect, test } from "vitest";
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
  expect(await monitor.evaluate()).toEqual([]);
  await monitor.alerting.endSilence(again.id);
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
