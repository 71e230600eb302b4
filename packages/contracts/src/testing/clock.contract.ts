import assert from "node:assert/strict";
import type { Clock } from "../clock.ts";
import { abortedSignal, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** A clock, and the way its time goes by. */
export interface ClockFixture {
  readonly clock: Clock;
  /** Lets at least this much time go by: `clock.advance` of a manual clock, a real wait otherwise. */
  advance(durationMs: number): Promise<void>;
}

/** What each clock promises. */
export const clockContract: readonly ContractCase<ClockFixture>[] = [
  {
    name: "the wall time is a finite number of milliseconds, and goes on",
    run: async ({ clock, advance }) => {
      const before = clock.nowMs();
      await advance(5);
      assert.ok(Number.isFinite(before));
      assert.ok(clock.nowMs() > before);
    },
  },
  {
    name: "the monotonic time never runs backwards, and goes on",
    run: async ({ clock, advance }) => {
      let last = clock.monotonicMs();
      for (let turn = 0; turn < 3; turn += 1) {
        await advance(5);
        const now = clock.monotonicMs();
        assert.ok(now > last, `${now} after ${last}`);
        last = now;
      }
    },
  },
  {
    name: "sleep resolves when its time has come",
    run: async ({ clock, advance }) => {
      const start = clock.nowMs();
      const sleeping = clock.sleep(5);
      await advance(10);
      await sleeping;
      // Timers of the machine and its wall clock are not the same clock: they may differ by a millisecond.
      assert.ok(clock.nowMs() - start >= 4);
    },
  },
  {
    name: "sleep rejects with the signal's reason, at once when it has aborted before",
    run: async ({ clock }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(clock.sleep(60_000, { signal }), reason);
      const controller = new AbortController();
      const sleeping = clock.sleep(60_000, { signal: controller.signal });
      controller.abort(reason);
      await rejectsWithReason(sleeping, reason);
    },
  },
];
