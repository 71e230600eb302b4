import { hasCode } from "@millwright/contracts";
import type { DriftReport } from "../drift/compare.ts";
import {
  acceptLasting,
  type DriftHistory,
  historyIn,
  type RememberedDrift,
  rememberVerdict,
  wholeWindow,
} from "../drift/drift-memory.ts";
import type { DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";

/** How many windows that were never judged are judged by one fit: after a start with the windows of an earlier process. */
const atOnce = 24;
/** Until history shows two days, what comes by the time of day looks like drift, and must become history to be known. */
const learningMs = 2 * 86_400_000;

export interface JudgedStream {
  /** Of the latest window. */
  readonly report: DriftReport;
  readonly remembered: RememberedDrift;
}

/**
 * Judges the recent windows in their order by those before them, without those that are held out, and adds what it found to what is remembered. Pure. Windows before the recent ones that were
 * never judged are judged first, a day's worth at a time.
 */
export function judgeStream(
  monitor: DriftMonitorFactory,
  { past, recent }: { readonly past: readonly DriftWindow[]; readonly recent: readonly DriftWindow[] },
  remembered: RememberedDrift,
  acceptAfterMs: number,
): JudgedStream {
  let known = remembered;
  const learntMs = ((past[0] ?? recent[0])?.startMs ?? 0) + Math.min(learningMs, acceptAfterMs / 2);
  const judge = (windows: readonly DriftWindow[]): DriftReport | undefined => {
    const history = historyIn(known);
    const before = past.filter(({ startMs }) => startMs < (windows[0]?.startMs ?? 0));
    const fitted = monitor(before.flatMap((window) => asHistory(window, history)));
    let last: DriftReport | undefined;
    for (const window of windows) {
      last = fitted.judge(window);
      if (last.verdict !== "not-enough-data")
        known = rememberVerdict(known, window.startMs, window.startMs < learntMs ? [] : driftedIn(last));
    }
    known = acceptLasting(known, acceptAfterMs);
    return last && { ...last, notes: [...(last.notes ?? []), ...notesOn(history)] };
  };
  const judgedTo = known.judgedMs.at(-1) ?? Number.NEGATIVE_INFINITY;
  const unjudged = past.filter(({ startMs }) => startMs > judgedTo);
  for (let from = 0; from < unjudged.length; from += atOnce) {
    const block = unjudged.slice(from, from + atOnce);
    unlessTooFew(() => judge(block));
  }
  return { report: judge(recent) as DriftReport, remembered: known };
}

/** Monitors of rows throw where there are too few before the windows: those are history unjudged. */
function unlessTooFew(judge: () => void): void {
  try {
    judge();
  } catch (error) {
    if (!hasCode(error, "MONITOR_ROWS_INVALID")) throw error;
  }
}

/** Columns that have drifted; a report without columns speaks of the window as a whole. */
function driftedIn({ verdict, columns }: DriftReport): readonly string[] {
  if (columns.length === 0) return verdict === "drift" ? [wholeWindow] : [];
  return columns.filter((column) => column.verdict === "drift").map(({ name }) => name);
}

function asHistory(window: DriftWindow, history: DriftHistory): readonly DriftWindow[] {
  const { startMs, profile } = window;
  if (!history.holds(startMs, wholeWindow)) return [];
  const all = Object.entries(profile.columns);
  const own = all.filter(([name]) => history.holds(startMs, name));
  return own.length === all.length
    ? [window]
    : [{ ...window, profile: { ...profile, columns: Object.fromEntries(own) } }];
}

const notesOn = ({ heldOut }: DriftHistory): readonly string[] =>
  Array.from(
    heldOut,
    ([name, count]) =>
      `${name === wholeWindow ? "" : `${name}: `}${count} windows that drifted together are no history; accept them if they are normal.`,
  );
