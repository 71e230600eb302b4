import type { Alert } from "@millwright/contracts";
import { isBelow, keyOf } from "../alerts/alert-record.ts";

/** An alert that Alertmanagers must know of. */
export interface SinkEntry {
  readonly key: string;
  alert: Alert;
  /** When it ended; undefined while it fires. */
  endedMs: number | undefined;
  /** By Alertmanager: when it was last told of it as it stands. */
  readonly toldMs: Map<number, number>;
}

/** What is to be told, as a state and not as a queue: an outage neither loses nor heaps up anything. */
export interface SinkBook {
  take(alert: Alert, nowMs: number): void;
  /** What fires now of a subject: all else that fired of it is over. */
  replace(subject: string, firing: readonly Alert[], nowMs: number): void;
  /** What an Alertmanager has not been told, or not for `resendMs`. */
  due(target: number, nowMs: number): readonly SinkEntry[];
  /** How long until something is due again. */
  nextMs(target: number, nowMs: number): number;
  forget(entry: SinkEntry): void;
  readonly dropped: number;
  readonly size: number;
}

export interface SinkBookOptions {
  readonly targets: number;
  readonly resendMs: number;
  readonly retainMs: number;
  readonly maxAlerts: number;
}

export function createSinkBook({ targets, resendMs, retainMs, maxAlerts }: SinkBookOptions): SinkBook {
  const entries = new Map<string, SinkEntry>();
  let dropped = 0;
  const makeRoom = (): boolean => {
    if (entries.size < maxAlerts) return true;
    dropped += 1;
    for (const [key, { endedMs }] of entries) {
      if (endedMs === undefined) continue;
      entries.delete(key);
      return true;
    }
    return false;
  };
  const take = (alert: Alert, nowMs: number): void => {
    const key = keyOf(alert.name, alert);
    const known = entries.get(key);
    if (alert.state === "resolved") {
      if (known === undefined || known.endedMs !== undefined) return;
      // Its labels stay those it fired with: they are its identity.
      known.alert = { ...known.alert, summary: alert.summary, state: "resolved" };
      known.endedMs = nowMs;
      known.toldMs.clear();
      return;
    }
    if (known !== undefined && known.endedMs === undefined) return;
    entries.delete(key);
    if (makeRoom()) entries.set(key, { key, alert, endedMs: undefined, toldMs: new Map() });
  };
  const isOver = ({ endedMs, toldMs }: SinkEntry, nowMs: number): boolean =>
    endedMs !== undefined && nowMs - endedMs >= retainMs && toldMs.size >= targets;
  const dueIn = ({ toldMs }: SinkEntry, target: number, nowMs: number): number => {
    const last = toldMs.get(target);
    return last === undefined ? 0 : Math.max(0, Math.min(last, nowMs) + resendMs - nowMs);
  };
  return {
    take,
    replace(subject, firing, nowMs) {
      const now = new Set(firing.map((alert) => keyOf(alert.name, alert)));
      for (const { key, alert } of entries.values())
        if (isBelow(alert.subject, subject) && !now.has(key)) take({ ...alert, state: "resolved" }, nowMs);
      for (const alert of firing) take(alert, nowMs);
    },
    due(target, nowMs) {
      for (const entry of entries.values()) if (isOver(entry, nowMs)) entries.delete(entry.key);
      return [...entries.values()].filter((entry) => dueIn(entry, target, nowMs) === 0);
    },
    nextMs: (target, nowMs) =>
      Math.min(resendMs, ...Array.from(entries.values(), (entry) => dueIn(entry, target, nowMs))),
    forget: ({ key }) => void entries.delete(key),
    get dropped() {
      return dropped;
    },
    get size() {
      return entries.size;
    },
  };
}
