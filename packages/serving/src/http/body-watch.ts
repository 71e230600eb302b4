import { systemClock } from "@millwright/contracts";

/** A body that is awaited. */
export interface BodyWatch {
  /** It is there. */
  forget(): void;
}

interface Awaited {
  readonly untilMs: number;
  readonly onLate: () => void;
  /** Where it stands in the list; -1 where it is not there any more. */
  at: number;
}

/** One timer for all bodies: nearly all come at once, and a timer for each would cost more than reading it. */
const sweepMs = 250;
/** A list, not a `Set`: the tables that a set leaves behind when it grows point to each other and to what stood in them, and would keep old requests alive until the next full collection. */
const awaited: Awaited[] = [];
let sweeping: ReturnType<typeof setInterval> | undefined;

/** Calls `onLate` when the time is over, at most a quarter of a second later, unless the body was there before. */
export function watchBody(timeoutMs: number, onLate: () => void): BodyWatch {
  const entry: Awaited = { untilMs: systemClock.monotonicMs() + timeoutMs, onLate, at: awaited.length };
  awaited.push(entry);
  sweeping ??= setInterval(sweep, sweepMs);
  return { forget: () => remove(entry) };
}

/** The last takes its place. */
function remove(entry: Awaited): void {
  const { at } = entry;
  if (at < 0) return;
  entry.at = -1;
  const last = awaited.pop() as Awaited;
  if (last === entry) return;
  last.at = at;
  awaited[at] = last;
}

/** Ends itself where nobody waits, so that it keeps no process alive. */
function sweep(): void {
  const nowMs = systemClock.monotonicMs();
  for (const entry of awaited.filter(({ untilMs }) => untilMs <= nowMs)) {
    remove(entry);
    entry.onLate();
  }
  if (awaited.length > 0) return;
  clearInterval(sweeping);
  sweeping = undefined;
}
