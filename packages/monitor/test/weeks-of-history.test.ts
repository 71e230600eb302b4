import { createRandom } from "@millwright/contracts";
import { batchOf, profileOf } from "@millwright/data";
import { expect, test } from "vitest";
import { createDriftMemory, type DriftMonitorFactory, type DriftWindow } from "../src/drift.ts";
import { driftAlert, type MonitorView } from "../src/index.ts";
import { dayMs, monday, normal } from "./drift-windows.ts";
import { hourMs, viewOf } from "./live-rows.ts";

const features = profileOf(batchOf({ x: normal(createRandom(61), 50) }));
const nowMs = monday + 60 * dayMs;

/** A view of a monitor that retains so much, with the windows that were asked for. */
function retaining(retainMs: number, atMs = nowMs) {
  const asked: number[] = [];
  const empty = viewOf(() => undefined, atMs).read("late", "main", hourMs);
  const view: MonitorView = {
    ...viewOf(() => undefined, atMs),
    read(_endpoint, _variant, windowMs, untilMs = atMs) {
      asked.push(untilMs);
      const hours = Math.min(windowMs, Math.max(0, untilMs - (nowMs - retainMs))) / hourMs;
      return hours === 0 ? empty : { ...empty, requests: hours, features: { ...features, rows: 50 * hours } };
    },
  };
  return { view, asked };
}

function recording(rows?: number) {
  const histories: (readonly DriftWindow[])[] = [];
  const make = (history: readonly DriftWindow[]) => {
    histories.push(history);
    return { judge: () => ({ verdict: "ok" as const, reasons: [], driftedShare: 0, columns: [] }) };
  };
  return { histories, monitor: Object.assign(make, { rows }) as DriftMonitorFactory };
}

test("history reaches back for as long as the monitor retains windows, four weeks at most; of monitors of rows six days", () => {
  const spanOf = (retainMs: number, rows?: number) => {
    const { histories, monitor } = recording(rows);
    driftAlert({ endpoint: "late", monitor }).evaluate(retaining(retainMs).view);
    const last = histories.at(-1)!;
    return { days: (nowMs - last[0]!.startMs) / dayMs, windows: last.length };
  };
  expect(spanOf(7 * dayMs)).toEqual({ days: 7, windows: 7 * 24 - 3 });
  expect(spanOf(28 * dayMs)).toEqual({ days: 28, windows: 28 * 24 - 3 });
  expect(spanOf(50 * dayMs)).toEqual({ days: 28, windows: 28 * 24 - 3 });
  expect(spanOf(50 * dayMs, 200)).toEqual({ days: 6, windows: 6 * 24 - 3 });
});

test("a window of several hours of which not all are retained is no history", () => {
  const { histories, monitor } = recording();
  const rule = driftAlert({ endpoint: "late", monitor, windowMs: 6 * hourMs });
  rule.evaluate(retaining(7 * dayMs - 2 * hourMs).view);
  const last = histories.at(-1)!;
  expect(new Set(last.map(({ profile }) => profile.rows))).toEqual(new Set([300]));
  expect((nowMs - last[0]!.startMs) / dayMs).toBe(6.75);
  // All that was asked for is there: nothing is left out.
  driftAlert({ endpoint: "late", monitor, windowMs: 6 * hourMs, historyMs: 5 * dayMs }).evaluate(
    retaining(7 * dayMs).view,
  );
  expect((nowMs - histories.at(-1)![0]!.startMs) / dayMs).toBe(5);
});

test("an evaluation within the hour reads a day of windows, not four weeks, and judges nothing anew", () => {
  const { histories, monitor } = recording();
  const rule = driftAlert({ endpoint: "late", monitor });
  rule.evaluate(retaining(28 * dayMs).view);
  const fits = histories.length;
  const again = retaining(28 * dayMs, nowMs + 60_000);
  rule.evaluate(again.view);
  expect(again.asked).toHaveLength(27);
  expect(histories).toHaveLength(fits);
});

test("what lasts is accepted after four and a half days, however long history is", () => {
  const memory = createDriftMemory();
  const monitor: DriftMonitorFactory = () => ({
    judge: ({ startMs }) => ({
      verdict: startMs >= nowMs - 5 * dayMs ? "drift" : "ok",
      reasons: [],
      driftedShare: 0,
      columns: [],
    }),
  });
  driftAlert({ endpoint: "late", monitor, memory }).evaluate(retaining(28 * dayMs).view);
  expect(memory.remembered("main").acceptedMs).toEqual({ "": nowMs - 5 * dayMs });
});
