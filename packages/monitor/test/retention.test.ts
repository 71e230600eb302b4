import { createManualClock } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openMonitor } from "../src/index.ts";
import { createTraffic } from "./traffic.ts";

const minute = 60_000;

test("windows are kept for `retainMs`, however short it is: memory does not grow with time", async () => {
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  await using monitor = openMonitor({ clock, retainMs: 5 * minute });
  const traffic = createTraffic(1);
  for (let round = 0; round < 60; round += 1) {
    for (let index = 0; index < 10; index += 1) monitor.capture(traffic.next(clock.nowMs()).prediction);
    await clock.advance(minute);
    await monitor.evaluate();
    const { requests } = monitor.read("late", "main", { windowMs: 24 * 60 * minute });
    expect(requests).toBeLessThanOrEqual(50);
    if (round >= 5) expect(requests).toBeGreaterThanOrEqual(40);
  }
  await clock.advance(6 * minute);
  await monitor.evaluate();
  expect(monitor.read("late", "main", { windowMs: 24 * 60 * minute }).requests).toBe(0);
});
