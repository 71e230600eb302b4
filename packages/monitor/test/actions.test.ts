import { type Alert, createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, profileOf } from "@millwright/data";
import { openMemoryRecordStore } from "@millwright/storage/drivers/memory";
import { expect, test } from "vitest";
import {
  type Action,
  type ActionState,
  createActionRunner,
  decideActions,
  defineActions,
  emptyActionState,
  retrainGain,
} from "../src/actions.ts";
import { type AlertRule, compare, type DriftPolicy, openMonitor, recommended } from "../src/index.ts";

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);

const alertOf = (name: string, sinceMs: number, subject = "endpoint/late"): Alert => ({
  name,
  subject,
  severity: "ticket",
  state: "firing",
  sinceMs,
  summary: name,
});

/** A year of daily windows: whether a plain test at 5 % sees drift, and what the labels of the day say of the loss. */
interface Day {
  readonly drifted: boolean;
  readonly loss: { readonly mean: number; readonly standardError: number };
}

const plain: DriftPolicy = {
  ...recommended(),
  alpha: 0.05,
  correction: "none",
  minimumSamples: 100,
  minimumEffect: 0,
} as DriftPolicy;

function year(seed: number, shiftDay: number | undefined, retrained: (day: number) => boolean): (day: number) => Day {
  const random = createRandom(seed);
  const profile = (shift: number) =>
    profileOf(
      batchOf(
        Object.fromEntries(
          ["a", "b", "c"].map((name) => [name, Float64Array.from({ length: 300 }, () => random.normal() + shift)]),
        ),
      ),
    );
  const baseline = profile(0);
  const lossesOf = (mean: number) => Array.from({ length: 400 }, () => Math.max(0, mean + 0.3 * random.normal()));
  return (day) => {
    const shifted = shiftDay !== undefined && day >= shiftDay && !retrained(day);
    const losses = lossesOf(shifted ? 0.6 : 0.45);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (losses.length - 1);
    return {
      drifted: compare(baseline, profile(shifted ? 0.5 : 0), plain).verdict === "drift",
      loss: { mean, standardError: Math.sqrt(variance / losses.length) },
    };
  };
}

/** Lives a year by a policy that trains again where drift lasts three days and training surely pays. */
function live(
  seed: number,
  shiftDay: number | undefined,
): { readonly retrained: readonly number[]; readonly alarms: number } {
  const retrained: number[] = [];
  let recent: Day["loss"] | undefined;
  const policy = defineActions([
    {
      name: "train-again",
      action: "retrain",
      when: ({ name }) => name === "drift",
      afterMs: 2 * dayMs,
      quietMs: 7 * dayMs,
      coolDownMs: 14 * dayMs,
      maxPerDay: 1,
      cost: 500,
      gain: () =>
        recent === undefined
          ? undefined
          : retrainGain({
              recent,
              attainable: { mean: 0.45, standardError: 0.005 },
              predictions: 100_000,
              valueOfLoss: 0.1,
            }),
    },
  ]);
  const day = year(seed, shiftDay, () => retrained.length > 0);
  let state: ActionState = emptyActionState();
  let since: number | undefined;
  let alarms = 0;
  for (let at = 0; at < 365; at += 1) {
    const nowMs = startMs + at * dayMs;
    const { drifted, loss } = day(at);
    recent = loss;
    since = drifted ? (since ?? nowMs) : undefined;
    if (drifted) alarms += 1;
    // The state goes through JSON, as it does between processes.
    const decided = decideActions(policy, state, since === undefined ? [] : [alertOf("drift", since)], nowMs);
    state = JSON.parse(JSON.stringify(decided.state)) as ActionState;
    retrained.push(...decided.actions.map(() => at));
  }
  return { retrained, alarms };
}

test("MO-31: a year of noise leads to no more than one training though the plain test alarms every week; a real shift to one within ten days", () => {
  for (const seed of [1, 2, 3]) {
    const noise = live(seed, undefined);
    expect(noise.alarms).toBeGreaterThan(25);
    expect(noise.retrained.length).toBeLessThanOrEqual(1);
    const { retrained } = live(seed, 200);
    const after = retrained.filter((day) => day >= 200);
    expect(after).toHaveLength(1);
    expect(after[0]).toBeLessThanOrEqual(210);
  }
});

test("an action comes once for an alert that lasts, again only after quiet, a cool-down and within the daily limit", () => {
  const policy = defineActions([
    { name: "page", action: "page", when: () => true, afterMs: 10, quietMs: 100, coolDownMs: 300, maxPerDay: 3 },
  ]);
  let state = emptyActionState();
  const look = (nowMs: number, ...alerts: readonly Alert[]) => {
    const { actions, heldBack, state: next } = decideActions(policy, state, alerts, nowMs);
    state = next;
    return [...actions.map(({ kind, subject }) => `${kind} ${subject}`), ...heldBack.map(({ because }) => because)];
  };
  expect(look(0, alertOf("a", 0))).toEqual(["too-short"]);
  expect(look(10, alertOf("a", 0))).toEqual(["page endpoint/late"]);
  for (const nowMs of [20, 500, 5000]) expect(look(nowMs, alertOf("a", 0))).toEqual([]);
  expect(look(5010)).toEqual([]);
  // It came back before it was quiet for long enough.
  expect(look(5050, alertOf("a", 5040))).toEqual(["not-quiet"]);
  expect(look(5060)).toEqual([]);
  expect(look(5170)).toEqual([]);
  expect(look(5200, alertOf("a", 5180))).toEqual(["page endpoint/late"]);
  expect(look(5210)).toEqual([]);
  expect(look(5320)).toEqual([]);
  expect(look(5340, alertOf("a", 5321))).toEqual(["cool-down"]);
  expect(look(5600, alertOf("a", 5321))).toEqual(["page endpoint/late"]);
  // Another subject has a cool-down of its own, and the same daily limit.
  expect(look(5700, alertOf("b", 5600, "endpoint/early"), alertOf("a", 5321))).toEqual(["daily-limit"]);
  expect(look(dayMs + 11, alertOf("b", 5600, "endpoint/early"))).toEqual(["page endpoint/early"]);
});

test("a gain that is not known, or surely no more than the cost, holds an action back and says so", () => {
  const gains = [undefined, { mean: 9, low: 5 }, { mean: 9, low: 5.1 }];
  const told = gains.map((gain) => {
    const policy = defineActions([{ name: "r", action: "retrain", when: () => true, cost: 5, gain: () => gain }]);
    const { actions, heldBack } = decideActions(policy, emptyActionState(), [alertOf("drift", 0)], 0);
    return [actions[0]?.gain, heldBack[0]?.because, heldBack[0]?.summary];
  });
  expect(told).toEqual([
    [undefined, "gain-unknown", 'The action retrain of "r" is not taken: what it would bring is not known.'],
    [undefined, "gain-too-small", 'The action retrain of "r" is not taken: it would surely bring only 5, and costs 5.'],
    [{ mean: 9, low: 5.1 }, undefined, undefined],
  ]);
  expect(
    retrainGain({
      recent: { mean: 0.5, standardError: Number.POSITIVE_INFINITY },
      attainable: { mean: 0.4, standardError: 0 },
      predictions: 1,
      valueOfLoss: 1,
    }),
  ).toBeUndefined();
});

test("the runner takes each action once, also after its process ended, and goes on where a handler fails", async () => {
  const clock = createManualClock(startMs);
  const records = openMemoryRecordStore();
  const taken: Action[] = [];
  const drifted: AlertRule = {
    name: "drift",
    evaluate: () => [{ subject: "endpoint/late", state: "firing", severity: "ticket", summary: "drifted" }],
  };
  await using alerts = openMonitor({ clock, rules: [drifted] });
  await alerts.evaluate();
  const policy = defineActions([
    { name: "roll-back", action: "shift-traffic", when: () => true },
    { name: "tell", action: "ticket", when: () => true },
  ]);
  const open = () =>
    createActionRunner({
      policy,
      alerts,
      subjects: ["endpoint/late"],
      records,
      clock,
      handlers: {
        "shift-traffic": (action) => {
          taken.push(action);
          throw new RangeError("no route");
        },
        ticket: (action) => void taken.push(action),
      },
    });
  {
    await using runner = open();
    expect((await runner.look()).actions).toHaveLength(2);
    expect((await runner.look()).actions).toEqual([]);
  }
  await using again = open();
  await clock.advance(dayMs * 3);
  expect((await again.look()).actions).toEqual([]);
  expect(taken.map(({ rule }) => rule)).toEqual(["roll-back", "tell"]);
  expect(() => createActionRunner({ policy, alerts, subjects: [], handlers: {} })).toThrow(
    expect.objectContaining({ code: "MONITOR_ACTION_UNHANDLED" }),
  );
  expect(() => defineActions([{ name: "x", action: "page", when: () => true, maxPerDay: 0 }])).toThrow(
    expect.objectContaining({ code: "MONITOR_ACTION_INVALID" }),
  );
});

test("a runner that looks by itself acts within its interval, and stops with its owner", async () => {
  const clock = createManualClock(startMs);
  let firing = false;
  const rule: AlertRule = {
    name: "drift",
    evaluate: () => [
      { subject: "endpoint/late", state: firing ? "firing" : "ok", severity: "ticket", summary: "drifted" },
    ],
  };
  await using alerts = openMonitor({ clock, rules: [rule], evaluateEveryMs: 1000 });
  const taken: Action[] = [];
  const policy = defineActions([{ name: "tell", action: "ticket", when: () => true }]);
  {
    await using _runner = createActionRunner({
      policy,
      alerts,
      subjects: ["endpoint/late"],
      everyMs: 1000,
      clock,
      handlers: { ticket: (action) => void taken.push(action) },
    });
    await clock.advance(3000);
    expect(taken).toEqual([]);
    firing = true;
    await clock.advance(3000);
    expect(taken.map(({ subject }) => subject)).toEqual(["endpoint/late"]);
    firing = false;
    await clock.advance(3000);
  }
  firing = true;
  await clock.advance(5000);
  expect(taken).toHaveLength(1);
});
