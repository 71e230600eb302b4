import type { Alert } from "@millwright/contracts";
import type { FullPolicy } from "./alert-policy.ts";
import type { AlertRecord } from "./alert-record.ts";

/** People are told that something began, or that it ended. */
export interface PageChange {
  readonly correlation: string;
  readonly alert: Alert;
}

/** One page for each correlation key that fires: told once, however many alerts are part of it, and ended with the last of them. */
export interface Pages {
  /** Joins alerts to pages that are open, ends pages whose alerts have ended, and opens new ones. */
  update(firing: readonly AlertRecord[], over: readonly AlertRecord[], nowMs: number): readonly PageChange[];
  /** Ends pages whose alerts have ended. */
  close(firing: readonly AlertRecord[], over: readonly AlertRecord[], nowMs: number): readonly PageChange[];
  find(correlation: string): Alert | undefined;
  /** A page that an earlier process told of. */
  reopen(correlation: string, alert: Alert): void;
  /** When a page ended, for the cool-down. */
  noteEnd(correlation: string, timeMs: number): void;
}

/** @param longestMs The longest cool-down of any rule: ends are remembered no longer. */
export function createPages(policyOf: (rule: string) => FullPolicy, longestMs: number): Pages {
  const open = new Map<string, Alert>();
  const ended = new Map<string, number>();
  const noteEnd = (correlation: string, timeMs: number): void => {
    if (longestMs === 0) return;
    ended.delete(correlation);
    ended.set(correlation, timeMs);
  };
  const isCooling = ({ correlation, rule }: AlertRecord, nowMs: number): boolean => {
    const sinceMs = nowMs - (ended.get(correlation) ?? Number.NEGATIVE_INFINITY);
    return sinceMs >= 0 && sinceMs < policyOf(rule).coolDownMs;
  };
  const join = (firing: readonly AlertRecord[]): void => {
    for (const record of firing) if (record.muted === undefined && open.has(record.correlation)) record.paged = true;
  };
  const close: Pages["close"] = (firing, over, nowMs) => {
    const held = new Set(firing.filter(({ paged }) => paged).map(({ correlation }) => correlation));
    const closed = [...open].filter(([correlation]) => !held.has(correlation));
    return closed.map(([correlation, page]) => {
      open.delete(correlation);
      noteEnd(correlation, nowMs);
      const last = over.findLast((each) => each.paged && each.correlation === correlation)?.alert ?? page;
      const { name, subject, severity, sinceMs, eventId } = page;
      const told = { ...last, name, subject, severity, sinceMs, state: "resolved" as const };
      return { correlation, alert: eventId === undefined ? told : { ...told, eventId } };
    });
  };
  const begin = (firing: readonly AlertRecord[], nowMs: number): readonly PageChange[] => {
    const begun: PageChange[] = [];
    const untold = firing.filter(({ muted, paged }) => muted === undefined && !paged);
    for (const record of untold.toSorted((a, b) => a.alert.sinceMs - b.alert.sinceMs)) {
      const { correlation, alert } = record;
      if (!open.has(correlation)) {
        if (isCooling(record, nowMs)) continue;
        open.set(correlation, alert);
        begun.push({ correlation, alert });
      }
      record.paged = true;
    }
    return begun;
  };
  return {
    close,
    update(firing, over, nowMs) {
      for (const [correlation, timeMs] of ended) if (nowMs - timeMs >= longestMs) ended.delete(correlation);
      join(firing);
      return [...close(firing, over, nowMs), ...begin(firing, nowMs)];
    },
    find: (correlation) => open.get(correlation),
    reopen: (correlation, alert) => void open.set(correlation, alert),
    noteEnd,
  };
}
