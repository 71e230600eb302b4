import { createManualClock, systemClock } from "@millwright/contracts";
import { describe, expect, test, vi } from "vitest";

test("the machine's clock sleeps for longer than a timer can be set", async () => {
  vi.useFakeTimers();
  try {
    const monthMs = 30 * 86_400_000;
    let woken = false;
    const sleeping = systemClock.sleep(monthMs).then(() => (woken = true));
    await vi.advanceTimersByTimeAsync(monthMs - 1);
    expect(woken).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await sleeping;
    const controller = new AbortController();
    const aborted = systemClock.sleep(monthMs, { signal: controller.signal });
    const refused = aborted.then(
      () => "slept",
      (error: Error) => error.message,
    );
    await vi.advanceTimersByTimeAsync(monthMs - 1);
    controller.abort(new Error("enough"));
    expect(await refused).toBe("enough");
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe("a manual clock", () => {
  test("stands still until it is told to move", async () => {
    const clock = createManualClock(1000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1000, 0]);
    await clock.advance(250);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1250, 250]);
  });

  test("wakes sleepers in the order of their time, each at its own", async () => {
    const clock = createManualClock();
    const woken: [string, number][] = [];
    const sleep = async (name: string, durationMs: number): Promise<void> => {
      await clock.sleep(durationMs);
      woken.push([name, clock.nowMs()]);
    };
    const all = [sleep("late", 300), sleep("early", 100), sleep("tomorrow", 86_400_000), sleep("early too", 100)];
    await clock.advance(500);
    expect(woken).toEqual([
      ["early", 100],
      ["early too", 100],
      ["late", 300],
    ]);
    expect(clock.nowMs()).toBe(500);
    await clock.advance(86_400_000);
    await Promise.all(all);
  });

  test("a sleeper that goes to sleep again wakes again within one advance", async () => {
    const clock = createManualClock();
    const times: number[] = [];
    const beating = (async () => {
      for (let beat = 0; beat < 5; beat += 1) {
        await clock.sleep(100);
        times.push(clock.nowMs());
      }
    })();
    await clock.advance(500);
    await beating;
    expect(times).toEqual([100, 200, 300, 400, 500]);
  });

  test("whoever is about to sleep when it moves is woken within that move", async () => {
    const clock = createManualClock();
    const sleeping = Promise.resolve().then(() => clock.sleep(100));
    await clock.advance(100);
    await sleeping;
    expect(clock.nowMs()).toBe(100);
  });

  test("an aborted sleeper is forgotten", async () => {
    const clock = createManualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(100, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(sleeping).rejects.toThrow("enough");
    await clock.advance(200);
    expect(clock.nowMs()).toBe(200);
  });
});
