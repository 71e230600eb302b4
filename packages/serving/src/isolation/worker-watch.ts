import type { Dispatcher } from "./dispatcher.ts";
import type { Seat } from "./seat.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** Ends workers that hang, measures them, and turns away requests that no worker will take; until the signal. */
export async function watchWorkers(pool: WorkerPool, dispatcher: Dispatcher, signal: AbortSignal): Promise<void> {
  const { hangMs, clock, recycle, recheckMs } = pool.options;
  const { checkMs = 5_000 } = recycle;
  const everyMs = Math.max(5, Math.min(1_000, hangMs / 4, checkMs, recheckMs));
  let checkedMs = clock.monotonicMs();
  let measuredMs = checkedMs;
  let testedMs = checkedMs;
  while (!signal.aborted) {
    await clock.sleep(everyMs, { signal }).catch(() => {});
    if (signal.aborted) return;
    const nowMs = clock.monotonicMs();
    // A check that comes late means that this thread stood still: what the workers sent meanwhile has not been read yet.
    const late = nowMs - checkedMs > 2 * everyMs + 100;
    checkedMs = nowMs;
    dispatcher.expire();
    if (!late) for (const seat of pool.seats) watch(pool, seat, nowMs);
    if (nowMs - testedMs >= recheckMs) {
      testedMs = nowMs;
      void pool.recheck();
    }
    if (nowMs - measuredMs < checkMs) continue;
    measuredMs = nowMs;
    void Promise.all([...pool.seats].map((seat) => seat.measure())).then(() => pool.recycle());
  }
}

function watch(pool: WorkerPool, seat: Seat, nowMs: number): void {
  const { hangMs, callTimeoutMs } = pool.options;
  const { worker, running } = seat;
  // A load may take longer: it has a limit of its own.
  if (running.size === 0) return;
  const silentMs = nowMs - worker.heardMs;
  if (silentMs > hangMs) return worker.kill(`it was silent for ${Math.round(silentMs)} ms`);
  // One that waits for something can say so.
  if (silentMs > hangMs / 2) void seat.measure();
  for (const call of running.keys()) {
    const runsMs = nowMs - call.sinceMs;
    if (runsMs > callTimeoutMs) worker.kill(`a request ran for ${Math.round(runsMs)} ms`);
  }
}
