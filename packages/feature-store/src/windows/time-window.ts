import type { EventWindow } from "../online/event-window.ts";

/** A window whose ends are multiples of a step since the epoch. */
export interface SteppedWindow {
  readonly kind: "sliding";
  readonly lengthMs: number;
  readonly slideMs: number;
}

/** Windows one after another. */
export interface TumblingWindow {
  readonly kind: "tumbling";
  readonly lengthMs: number;
  readonly offsetMs: number;
  readonly which: "last" | "current";
}

/** Rows that follow each other closely. */
export interface SessionWindow {
  readonly kind: "session";
  readonly gapMs: number;
  readonly longestMs: number;
}

/** Where a window starts and ends, for those that do not slide with every instant. */
export type TimeWindow = SteppedWindow | TumblingWindow | SessionWindow;

/**
 * A window that slides in steps: at time t it is [e − lengthMs, e), where e is the last multiple of `slideMs` since the epoch (UTC) that is not
 * after t. Such windows are kept as tiles, not rows.
 */
export function sliding(lengthMs: number, { slideMs }: { readonly slideMs: number }): SteppedWindow {
  return { kind: "sliding", lengthMs, slideMs };
}

export interface TumblingOptions {
  /** Windows start at this many milliseconds after multiples of their length since the epoch (UTC). Default: 0. */
  readonly offsetMs?: number | undefined;
  /** The last window that was over at the time, or the current one up to the time (the time itself left out). Default: `"last"`. */
  readonly which?: "last" | "current" | undefined;
}

/** One of windows that follow each other without a gap, such as days. They are kept as tiles, not rows. */
export function tumbling(lengthMs: number, { offsetMs = 0, which = "last" }: TumblingOptions = {}): TumblingWindow {
  return { kind: "tumbling", lengthMs, offsetMs, which };
}

export interface SessionOptions {
  /** Rows older than this at the time do not count, even where the session is older: it bounds what must be kept. Default: one day, or the gap where that is longer. */
  readonly longestMs?: number | undefined;
}

/**
 * The rows of the session that is open at a time: those before it, back to the first silence of `gapMs` or more. Where the newest row is as old
 * as that, there is no open session, and the window is empty.
 */
export function session(
  gapMs: number,
  { longestMs = Math.max(86_400_000, gapMs) }: SessionOptions = {},
): SessionWindow {
  return { kind: "session", gapMs, longestMs };
}

/** A window in microseconds, as it is evaluated. */
export interface PlacedWindow {
  /** How far before a time a row may lie and still count. */
  readonly reachUs: number;
  /** Whether both of its ends are multiples of `tileUs`, or its end is the time itself; 0 for windows that need rows. */
  readonly tileUs: number;
  /** The first instant of the window at a time. */
  startUs(rows: EventWindow, timeUs: number): number;
  /** The instant at which the window ends, itself left out. */
  endUs(timeUs: number): number;
}

/** The last multiple of a step that is not after a time: exact for whole microseconds. */
export function floorTo(timeUs: number, stepUs: number): number {
  const rest = timeUs % stepUs;
  return rest < 0 ? timeUs - rest - stepUs : timeUs - rest;
}

/** @param window Absent for one of `windowMs` that slides with time. */
export function placeWindow(windowMs: number, window: TimeWindow | undefined): PlacedWindow {
  if (window === undefined) {
    const lengthUs = windowMs * 1000;
    return { reachUs: lengthUs, tileUs: 0, startUs: (_, timeUs) => timeUs - lengthUs, endUs: (timeUs) => timeUs };
  }
  if (window.kind === "session") return placeSession(window);
  const lengthUs = window.lengthMs * 1000;
  if (window.kind === "sliding") {
    const slideUs = window.slideMs * 1000;
    const endUs = (timeUs: number): number => floorTo(timeUs, slideUs);
    const reachUs = lengthUs + slideUs;
    return { reachUs, tileUs: divisor(lengthUs, slideUs), startUs: (_, timeUs) => endUs(timeUs) - lengthUs, endUs };
  }
  const offsetUs = window.offsetMs * 1000;
  const tileUs = divisor(lengthUs, Math.abs(offsetUs));
  const currentUs = (timeUs: number): number => floorTo(timeUs - offsetUs, lengthUs) + offsetUs;
  return window.which === "current"
    ? { reachUs: lengthUs, tileUs, startUs: (_, timeUs) => currentUs(timeUs), endUs: (timeUs) => timeUs }
    : { reachUs: 2 * lengthUs, tileUs, startUs: (_, timeUs) => currentUs(timeUs) - lengthUs, endUs: currentUs };
}

function placeSession({ gapMs, longestMs }: SessionWindow): PlacedWindow {
  const gapUs = gapMs * 1000;
  const longestUs = longestMs * 1000;
  return {
    reachUs: longestUs,
    tileUs: 0,
    startUs(rows, timeUs) {
      let first = timeUs;
      for (let index = rows.countBefore(timeUs) - 1; index >= 0; index--) {
        const rowUs = rows.timeAt(index);
        if (first - rowUs >= gapUs || rowUs < timeUs - longestUs) break;
        first = rowUs;
      }
      return first;
    },
    endUs: (timeUs) => timeUs,
  };
}

/** The greatest common divisor of whole numbers; of one of them and 0, that one. */
export function divisor(first: number, second: number): number {
  let [large, small] = [first, second];
  while (small > 0) [large, small] = [small, large % small];
  return large;
}
