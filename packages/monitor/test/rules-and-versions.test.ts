import { createManualClock, createRandom, digestOf, type ManualClock, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { calibratedDrift, createDriftMemory } from "../src/drift.ts";
import { type AlertRule, driftAlert, type Monitor, openMonitor } from "../src/index.ts";
import { fitMahalanobis, outlierAlert } from "../src/outliers.ts";
import { normal } from "./drift-windows.ts";
import { hourMs, start, watched } from "./live-rows.ts";

const minuteMs = 60_000;
const modelOf = (version: number) => ({ name: "late", version, digest: digestOf(`v${version}`) });

interface Asking {
  readonly random: Random;
  readonly version: number;
  readonly rows: number;
  readonly timeMs: number;
  readonly shift?: number;
  readonly variant?: string;
}

async function ask(monitor: Monitor, { random, version, rows, timeMs, shift = 0, variant = "main" }: Asking) {
  for (let from = 0; from < rows; from += 50)
    monitor.capture({
      requestId: `v${version} ${timeMs} ${from}`,
      endpoint: "late",
      variant,
      model: modelOf(version),
      timeMs,
      latencyMs: 4,
      features: batchOf({ km: normal(random, 50, shift) }),
    });
  await monitor.flush();
}

const outliers = (random: Random) =>
  watched(outlierAlert({ endpoint: "late", model: fitMahalanobis(batchOf({ km: normal(random, 2000) })) }));

const openAt = (rules: readonly AlertRule[], clock: ManualClock = createManualClock(start)): Monitor =>
  openMonitor({ clock, rules });

test("a finding on rows ends with the version that it is of, however soon the next has as many rows", async () => {
  const random = createRandom(51);
  const rule = outliers(random);
  const clock = createManualClock(start);
  await using monitor = openAt([rule], clock);
  await ask(monitor, { random, version: 1, rows: 600, timeMs: start, shift: 6 });
  await clock.advance(1_000);
  expect(await monitor.evaluate()).toMatchObject([{ name: "outliers", evidence: { model: modelOf(1) } }]);
  // Within the minute for which a judgement stands, the next version has answered a little more.
  await ask(monitor, { random, version: 2, rows: 650, timeMs: start + 2_000 });
  expect(await monitor.alerts("endpoint")).toEqual([]);
  await clock.advance(5_000);
  expect(await monitor.evaluate()).toEqual([]);
  expect(rule.last).toMatchObject([{ state: "ok", evidence: { samples: 500, model: modelOf(2) } }]);
  // And the other way round: what the good version was told of does not hide the bad one.
  await ask(monitor, { random, version: 3, rows: 650, timeMs: start + 7_000, shift: 6 });
  await clock.advance(5_000);
  expect(await monitor.evaluate()).toMatchObject([{ name: "outliers", evidence: { model: modelOf(3) } }]);
});

test("a variant that is gone and comes back is judged anew, and others keep what was found of them", async () => {
  const random = createRandom(52);
  const rule = outliers(random);
  const judged: number[] = [];
  const view = (variants: readonly string[], atMs: number) => ({
    nowMs: start + atMs,
    endpoints: () => ["late"],
    variants: () => variants,
    model: () => modelOf(1),
    read: () => {
      judged.push(atMs);
      return { ...openMonitor().read("late", "main"), requests: 600 };
    },
  });
  const [first] = rule.evaluate(view(["main", "candidate"], 0));
  expect(rule.evaluate(view(["main", "candidate"], 1_000))[0]).toBe(first);
  rule.evaluate(view(["candidate"], 2_000));
  expect(rule.evaluate(view(["main", "candidate"], 3_000))[0]).not.toBe(first);
});

test("alerts end when the state of another process tells of a newer version, and are of that version from then on", async () => {
  const random = createRandom(53);
  const rule = outliers(random);
  const clock = createManualClock(start);
  await using monitor = openAt([rule], clock);
  await using other = openMonitor({ clock, rows: {} });
  await ask(monitor, { random, version: 1, rows: 600, timeMs: start, shift: 6 });
  await ask(monitor, { random, version: 1, rows: 600, timeMs: start, shift: 6, variant: "candidate" });
  await clock.advance(1_000);
  expect(await monitor.evaluate()).toHaveLength(2);
  await ask(other, { random, version: 2, rows: 640, timeMs: start + 1_500 });
  const stop = new AbortController();
  const changes = monitor.changes("endpoint/late/variant/main", { signal: stop.signal });
  const next = changes[Symbol.asyncIterator]().next();
  monitor.merge("other", other.state({ rowsPerWindow: 500 }));
  expect((await next).value).toMatchObject({ state: "resolved", summary: /another model/ });
  stop.abort();
  expect(await monitor.alerts("endpoint")).toMatchObject([{ subject: "endpoint/late/variant/candidate" }]);
  await clock.advance(1_000);
  await monitor.evaluate();
  expect(rule.last.map(({ evidence, state }) => `${state} ${evidence?.model?.version}`)).toEqual(["ok 2", "firing 1"]);
  // The same state again ends nothing.
  monitor.merge("other", other.state({ rowsPerWindow: 500 }));
  expect(await monitor.alerts("endpoint")).toHaveLength(1);
});

test("what a memory of drift holds is of one version: windows of the next begin anew, what was accepted stays", async () => {
  const random = createRandom(54);
  const clock = createManualClock(start);
  const memory = createDriftMemory();
  const rule = driftAlert({ endpoint: "late", monitor: calibratedDrift(), memory });
  const hours = async (monitor: Monitor, version: number, from: number, to: number): Promise<void> => {
    for (let hour = from; hour < to; hour += 1) {
      await clock.advance(start + hour * hourMs + minuteMs - clock.nowMs());
      await ask(monitor, { random, version, rows: 600, timeMs: clock.nowMs() });
    }
    await clock.advance(start + to * hourMs - clock.nowMs());
    await monitor.evaluate();
  };
  {
    await using monitor = openAt([rule], clock);
    await hours(monitor, 1, 0, 12);
  }
  memory.accept("main", start + hourMs, "km");
  expect(memory.remembered("main")).toMatchObject({ model: digestOf("v1") });
  expect(memory.remembered("main").judgedMs.length).toBeGreaterThan(2);
  // Another process, whose windows of the new version begin before what was judged of the old.
  const later = createDriftMemory(JSON.parse(JSON.stringify(memory.state())));
  const again = driftAlert({ endpoint: "late", monitor: calibratedDrift(), memory: later });
  await using monitor = openAt([again], clock);
  for (let hour = 6; hour < 12; hour += 1)
    await ask(monitor, { random, version: 2, rows: 600, timeMs: start + hour * hourMs });
  await monitor.evaluate();
  const { judgedMs, driftedMs, acceptedMs, model } = later.remembered("main");
  expect({ driftedMs, acceptedMs, model }).toEqual({
    driftedMs: {},
    acceptedMs: { km: start + hourMs },
    model: digestOf("v2"),
  });
  expect(judgedMs.every((each) => each >= start + 9 * hourMs)).toBe(true);
  expect(() => createDriftMemory({ formatVersion: 1, variants: { main: { ...nothing, model: 3 } } })).toThrow(
    expect.objectContaining({ code: "MONITOR_STATE_INVALID" }),
  );
});

const nothing = { judgedMs: [], driftedMs: {}, acceptedMs: {} };
