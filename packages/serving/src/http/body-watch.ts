import { systemClock } from "@millwright/contracts";

/** A body that is awaited. */
export interface BodyWatch {
  /** It is there. */
  forget(): void;
}

interface Awaited {
  readonly untilMs: number;
  readonly onLate: () => void;
}

/** One timer for all bodies: nearly all come at once, and a timer for each would cost more than reading it. */
const sweepMs = 250;
const awaited = new Set<Awaited>();
let sweeping: ReturnType<typeof setInterval> | undefined;

/** Calls `onLate` when the time is over, at most a quarter of a second later, unless the body was there before. */
export function watchBody(timeoutMs: number, onLate: () => void): BodyWatch {
  const entry: Awaited = { untilMs: systemClock.monotonicMs() + timeoutMs, onLate };
  awaited.add(entry);
  sweeping ??= setInterval(sweep, sweepMs);
  return { forget: () => void awaited.delete(entry) };
}

/** Ends itself where nobody waits, so that it keeps no process alive. */
function sweep(): void {
  const nowMs = systemClock.monotonicMs();
  for (const entry of awaited) {
    if (entry.untilMs > nowMs) continue;
    awaited.delete(entry);
    entry.onLate();
  }
  if (awaited.size > 0) return;
  clearInterval(sweeping);
  sweeping = undefined;
}
