import { createManualClock, type EventLog } from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { type Finding, openMonitor } from "../src/index.ts";
import { candidate, eventsOf, main, minute, openSetting, ruleOf, startMs } from "./alert-setting.ts";

test("an alert waits for as long as its rule asks, and one 'ok' starts the time over", async () => {
  const slow = ruleOf("slow", { forMs: 5 * minute });
  const { clock, open, told } = openSetting([slow.rule]);
  await using monitor = open();
  const at = async (state: Finding["state"], minutes: number) => {
    await clock.advance(minutes * minute);
    slow.set(state);
    return monitor.evaluate();
  };
  expect(await at("firing", 0)).toEqual([]);
  expect(monitor.alerting.states()).toMatchObject([{ phase: "pending", told: false }]);
  await at("firing", 4);
  await at("ok", 0);
  expect(monitor.alerting.states()).toEqual([]);
  expect(await at("firing", 1)).toEqual([]);
  expect(await at("unknown", 4)).toEqual([]);
  expect(await at("firing", 1)).toMatchObject([{ name: "slow", sinceMs: startMs + 10 * minute }]);
  expect(await told()).toEqual([`firing slow ${main}`]);
});

test("an alert goes on firing, and nobody is told again until it has cooled down", async () => {
  const slow = ruleOf("slow", { keepFiringMs: 2 * minute, coolDownMs: 10 * minute });
  const { clock, open, told } = openSetting([slow.rule]);
  await using monitor = open();
  const at = async (state: Finding["state"], minutes: number) => {
    await clock.advance(minutes * minute);
    slow.set(state);
    return monitor.evaluate();
  };
  expect(await at("firing", 0)).toHaveLength(1);
  expect(await at("ok", 1)).toHaveLength(1);
  expect(await at("firing", 1)).toHaveLength(1);
  expect(await at("ok", 1)).toHaveLength(1);
  expect(await at("ok", 2)).toHaveLength(0);
  // What takes a model back hears of it, people do not.
  expect(await at("firing", 1)).toHaveLength(1);
  expect(await told()).toEqual([`firing slow ${main}`, `resolved slow ${main}`]);
  await at("firing", 10);
  expect(await told()).toEqual([`firing slow ${main}`, `resolved slow ${main}`, `firing slow ${main}`]);
});

test("an alert that begins again and again is told a few times, and then goes on until it is quiet", async () => {
  const flaps = ruleOf("flaps", { flap: { begins: 3, windowMs: 60 * minute, quietMs: 20 * minute } });
  const { clock, open, told } = openSetting([flaps.rule]);
  await using monitor = open();
  for (let round = 0; round < 20; round += 1) {
    flaps.set(round % 2 === 0 ? "firing" : "ok");
    await clock.advance(minute);
    await monitor.evaluate();
  }
  expect((await told()).filter((each) => each.startsWith("firing"))).toHaveLength(3);
  expect(monitor.alerting.states()).toMatchObject([{ flapping: true, told: true }]);
  flaps.set("ok");
  await clock.advance(19 * minute);
  expect(await monitor.evaluate()).toHaveLength(1);
  await clock.advance(minute);
  expect(await monitor.evaluate()).toEqual([]);
  expect((await told()).filter((each) => each.startsWith("resolved"))).toHaveLength(3);
});

test("an endpoint that is down inhibits that it is slow; what still holds after it is told then", async () => {
  const down = ruleOf("endpoint-down");
  const slow = ruleOf("latency");
  const { open, told } = openSetting([slow.rule, down.rule]);
  await using monitor = open();
  slow.set("firing");
  slow.set("firing", "endpoint/other/variant/main");
  down.set("firing", "endpoint/late");
  const firing = await monitor.evaluate();
  expect(firing.map(({ name, subject }) => `${name} ${subject}`)).toEqual([
    "latency endpoint/other/variant/main",
    "endpoint-down endpoint/late",
  ]);
  expect(monitor.alerting.states()[0]).toMatchObject({
    muted: { by: "inhibition", id: "endpoint-down endpoint/late" },
  });
  down.set("ok", "endpoint/late");
  expect(await monitor.evaluate()).toMatchObject([{ name: "latency", subject: main }, { name: "latency" }]);
  expect((await told()).toSorted()).toEqual(
    [
      "firing endpoint-down endpoint/late",
      "firing latency endpoint/other/variant/main",
      `firing latency ${main}`,
      "resolved endpoint-down endpoint/late",
    ].toSorted(),
  );
});

test("of two that inhibit each other one is told", async () => {
  const [one, two] = [ruleOf("one"), ruleOf("two")];
  const match = (alertname: string) => ({ alertname });
  const { open, told } = openSetting([one.rule, two.rule], {
    inhibitions: [
      { source: match("one"), target: match("two") },
      { source: match("two"), target: match("one") },
    ],
  });
  await using monitor = open();
  one.set("firing");
  two.set("firing");
  await monitor.evaluate();
  expect(await told()).toHaveLength(1);
});

test("alerts of one model version at one endpoint are one to people, and end with the last of them", async () => {
  const wrong = ruleOf("wrong");
  const { log, open, told } = openSetting([wrong.rule]);
  await using monitor = open();
  wrong.set("firing", main, 3);
  wrong.set("firing", `${main}/column/distance`, 3);
  wrong.set("firing", candidate, 4);
  const firing = await monitor.evaluate();
  expect(firing).toHaveLength(3);
  const [first, second] = await eventsOf(log);
  expect(firing.map(({ eventId }) => eventId)).toEqual([first?.id, first?.id, second?.id]);
  wrong.set("ok", main, 3);
  await monitor.evaluate();
  expect(await told()).toEqual([`firing wrong ${main}`, `firing wrong ${candidate}`]);
  wrong.set("ok", `${main}/column/distance`, 3);
  await monitor.evaluate();
  expect(await told()).toEqual([`firing wrong ${main}`, `firing wrong ${candidate}`, `resolved wrong ${main}`]);
});

test("two monitors that tell one log under names of their own take up their own alerts alone", async () => {
  const wrong = ruleOf("wrong");
  const { clock, log } = openSetting([]);
  const open = (instance: string) => openMonitor({ clock, events: log, rules: [wrong.rule], alerting: { instance } });
  await using one = open("one");
  wrong.set("firing");
  await one.evaluate();
  await using two = open("two");
  wrong.set("ok");
  await two.evaluate();
  expect((await eventsOf(log)).map(({ type }) => type)).toEqual(["alert.firing"]);
});

test("nobody is told while it is not known what was told before, and all is told after", async () => {
  const wrong = ruleOf("wrong");
  const memory = openMemoryEventLog();
  let away = true;
  const log: EventLog = {
    append: memory.append,
    read: (options) => {
      if (away) throw new TypeError("away");
      return memory.read(options);
    },
  };
  await using monitor = openMonitor({ clock: createManualClock(startMs), events: log, rules: [wrong.rule] });
  wrong.set("firing");
  expect(await monitor.evaluate()).toHaveLength(1);
  expect(await eventsOf(memory)).toEqual([]);
  away = false;
  await monitor.evaluate();
  expect(await eventsOf(memory)).toHaveLength(1);
});
