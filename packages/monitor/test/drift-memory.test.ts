import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { judgeStream } from "../src/alerts/history-judge.ts";
import { driftEpisodes, heldOutWindows } from "../src/drift/drift-episodes.ts";
import { nothingRemembered, type RememberedDrift } from "../src/drift/drift-memory.ts";
import { calibratedDrift, createDriftMemory, type DriftWindow } from "../src/drift.ts";
import { dayMs, monday, normal, windowsOf } from "./drift-windows.ts";

/** Windows named by one sign each: `x` drifted, `.` did not. */
const verdictsOf = (signs: string, stepMs = 1) =>
  Array.from(signs, (sign, index) => ({ startMs: index * stepMs, drifted: sign === "x" }));

const heldIn = (signs: string, stepMs = 1): string => {
  const held = heldOutWindows(verdictsOf(signs, stepMs));
  return Array.from(signs, (_, index) => (held.has(index * stepMs) ? "h" : ".")).join("");
};

test("an episode begins with three of four windows and ends with three in a row that are calm", () => {
  expect(heldIn("..x..x.x....x.x..")).toBe(".................");
  expect(heldIn("..x.xx.x..x...x..")).toBe("..hhhhhhhhh......");
  expect(heldIn("xxx")).toBe("hhh");
  expect(heldIn("xxx...xx...")).toBe("hhh........");
  expect(driftEpisodes(verdictsOf(".xxx...xxxx"))).toEqual([
    { fromMs: 1, toMs: 3 },
    { fromMs: 7, toMs: 10 },
  ]);
});

test("what comes a third time at the same time of day or week is no incident, and what goes on is", () => {
  const quarter = dayMs / 8;
  const batch = "..xxxx..";
  expect(heldIn(batch.repeat(2), quarter)).toBe("..hhhh..".repeat(2));
  // The windows that end an episode are three here: two of the next day's first are among the calm ones between.
  expect(heldIn("...xxx......xxx......xxx", dayMs / 9)).toBe("........................");
  expect(heldIn("x".repeat(40), quarter)).toBe("h".repeat(40));
  const week = `${".".repeat(20)}xxxxxxxx`;
  expect(heldIn(week.repeat(2), dayMs / 4)).toBe(`${".".repeat(20)}hhhhhhhh`.repeat(2));
  expect(heldIn(week.repeat(3), dayMs / 4)).toBe(".".repeat(84));
});

const factory = calibratedDrift({ persistence: { windows: 2, of: 3 } });
const historyWindows = 40;

/** Judges windows as they come; tells in which an alarm stood. */
function live(windows: readonly DriftWindow[], acceptAfterMs: number, start: RememberedDrift = nothingRemembered) {
  let remembered = start;
  const verdicts = windows.slice(13).map((_, index) => {
    const all = windows.slice(Math.max(0, index + 14 - historyWindows), index + 14);
    const judged = judgeStream(factory, { past: all.slice(0, -3), recent: all.slice(-3) }, remembered, acceptAfterMs);
    remembered = judged.remembered;
    return judged.report.verdict;
  });
  return { verdicts, remembered };
}

test("a drift that lasts alarms until it is three quarters of history old, and is the new normal then; undone, nothing alarms", () => {
  const random = createRandom(51);
  const shifted = windowsOf((window) => ({ x: normal(random, 500, window >= 40 ? 0.4 : 0) }), 90);
  const { verdicts } = live(shifted, 7.5 * dayMs);
  const alarms = verdicts.map((verdict, index) => (verdict === "drift" ? index + 13 : -1)).filter((at) => at >= 0);
  expect(alarms[0]).toBe(41);
  // Of thirty windows, of four a day, though before long all others of its history would be of the drift.
  expect(alarms.length).toBeGreaterThanOrEqual(26);
  expect(alarms.at(-1)).toBeLessThanOrEqual(73);
  const undone = windowsOf((window) => ({ x: normal(random, 500, window >= 40 && window < 52 ? 0.4 : 0) }), 90);
  const after = live(undone, 7.5 * dayMs).verdicts.slice(52 + 2 - 13);
  expect(after.filter((verdict) => verdict === "drift")).toEqual([]);
});

test("a slow trend alarms, and never for longer than what lasts", () => {
  const random = createRandom(52);
  const trend = windowsOf((window) => ({ x: normal(random, 500, 0.025 * window) }), 160);
  const { verdicts } = live(trend, 7.5 * dayMs);
  let [run, longest] = [0, 0];
  for (const verdict of verdicts) {
    run = verdict === "drift" ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  expect(longest).toBeGreaterThan(10);
  expect(longest).toBeLessThan(36);
});

test("what the first two days show is learnt, though it looks like drift then", () => {
  const random = createRandom(55);
  const perDay = 24;
  const cycle = (window: number): number => Math.sin((2 * Math.PI * window) / perDay);
  const hours = windowsOf((window) => ({ x: normal(random, 500, cycle(window)) }), 4 * perDay, { perDay });
  let remembered = nothingRemembered;
  const alarms = hours.slice(13).filter((_, index) => {
    const all = hours.slice(0, index + 14);
    const judged = judgeStream(factory, { past: all.slice(0, -3), recent: all.slice(-3) }, remembered, 4.5 * dayMs);
    remembered = judged.remembered;
    return judged.report.verdict === "drift";
  });
  expect(alarms.length).toBeGreaterThan(0);
  expect(alarms.filter(({ startMs }) => startMs >= monday + 2 * dayMs).length).toBeLessThanOrEqual(5);
});

test("one column that drifts takes nothing from the history of the others", () => {
  const random = createRandom(53);
  const windows = windowsOf((window) => ({ a: normal(random, 500, window >= 40 ? 1 : 0), b: normal(random, 500) }), 60);
  const { remembered } = live(windows.slice(0, -3), 7.5 * dayMs);
  const judged = judgeStream(
    factory,
    { past: windows.slice(17, -3), recent: windows.slice(-3) },
    remembered,
    7.5 * dayMs,
  );
  const [a, b] = judged.report.columns;
  expect(a).toMatchObject({ name: "a", verdict: "drift" });
  expect(b).toMatchObject({ name: "b", verdict: "ok" });
  expect(b!.measures.calibrated!.historyWindows).toBeGreaterThanOrEqual(39);
  expect(a!.measures.calibrated!.historyWindows).toBeLessThanOrEqual(24);
  expect(judged.report.notes!.some((note) => note.startsWith("a: 1") && note.includes("no history"))).toBe(true);
});

test("after a restart a memory goes on from its state, and from nothing the windows are judged anew", () => {
  const random = createRandom(54);
  const windows = windowsOf((window) => ({ x: normal(random, 500, window >= 40 ? 0.5 : 0) }), 56);
  const memory = createDriftMemory();
  memory.remember("main", live(windows, 30 * dayMs).remembered);
  const restored = createDriftMemory(JSON.parse(JSON.stringify(memory.state())));
  expect(restored.remembered("main")).toEqual(memory.remembered("main"));
  const recent = { past: windows.slice(0, -3), recent: windows.slice(-3) };
  const anew = judgeStream(factory, recent, nothingRemembered, 30 * dayMs);
  expect(anew.report.verdict).toBe("drift");
  expect(anew.remembered.driftedMs["x"]!.length).toBeGreaterThan(10);
  restored.accept("main", windows[41]!.startMs, "x");
  const accepted = judgeStream(factory, recent, restored.remembered("main"), 30 * dayMs);
  expect(accepted.report.verdict).toBe("ok");
  expect(accepted.report.columns[0]!.measures.calibrated!.historyWindows).toBe(12);
});

test("a state that is none is refused", () => {
  const entry = { judgedMs: [monday], driftedMs: { x: [monday] }, acceptedMs: {} };
  expect(createDriftMemory({ formatVersion: 1, variants: { main: entry } }).remembered("main")).toEqual(entry);
  for (const state of [
    null,
    {},
    { formatVersion: 2, variants: {} },
    { formatVersion: 1, variants: { main: { ...entry, judgedMs: ["x"] } } },
    { formatVersion: 1, variants: { main: { ...entry, driftedMs: { x: 1 } } } },
    { formatVersion: 1, variants: { main: { ...entry, acceptedMs: { x: null } } } },
  ])
    expect(() => createDriftMemory(state)).toThrow(expect.objectContaining({ code: "MONITOR_STATE_INVALID" }));
});
