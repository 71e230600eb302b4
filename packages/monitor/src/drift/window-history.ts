import type { Column, ColumnType } from "@millwright/contracts";
import type { ColumnProfile } from "@millwright/data";
import { type Calendar, eventAt } from "../calibration/cycle.ts";
import { historyInvalid } from "../errors.ts";
import type { DriftWindow } from "./drift-monitor.ts";

/** One column of the windows of history, of the type that it had last. */
export interface TypedHistory {
  readonly type: ColumnType;
  readonly hasDistribution: boolean;
  /** Values that are not null. */
  readonly count: number;
  readonly windows: readonly {
    readonly startMs: number;
    readonly profile: ColumnProfile;
    readonly rows?: Column | undefined;
  }[];
}

/** By column, without the windows that touch a known event. `windowMs`: how long windows are, as a rule. Throws `MONITOR_HISTORY_INVALID`. */
export function historyOf(
  history: readonly DriftWindow[],
  calendar: Calendar,
): { readonly columns: ReadonlyMap<string, TypedHistory>; readonly windowMs: number } {
  for (const [index, { startMs, endMs }] of history.entries()) {
    if (!(startMs < endMs))
      throw historyInvalid(`a window of history ends at ${endMs}, not after its start at ${startMs}`);
    if (startMs < (history[index - 1]?.startMs ?? Number.NEGATIVE_INFINITY))
      throw historyInvalid(`the window of history that starts at ${startMs} comes after a later one`);
  }
  const windows = history.filter(({ startMs, endMs }) => eventAt(startMs, endMs, calendar) === undefined);
  const names = new Set(windows.flatMap(({ profile }) => Object.keys(profile.columns)));
  const lengths = history.map(({ startMs, endMs }) => endMs - startMs).sort((a, b) => a - b);
  return {
    columns: new Map(Array.from(names, (name) => [name, columnHistory(windows, name)])),
    windowMs: lengths[lengths.length >> 1] ?? 1,
  };
}

function columnHistory(windows: readonly DriftWindow[], name: string): TypedHistory {
  const own = windows.flatMap(({ startMs, profile: { columns }, rows }) => {
    const profile = Object.hasOwn(columns, name) ? columns[name] : undefined;
    if (profile === undefined) return [];
    return [
      {
        startMs,
        profile,
        rows: rows !== undefined && Object.hasOwn(rows.columns, name) ? rows.columns[name] : undefined,
      },
    ];
  });
  const { type, frequent, quantiles } = (own.at(-1) as { readonly profile: ColumnProfile }).profile;
  const alike = own.filter(({ profile }) => profile.type === type);
  return {
    type,
    hasDistribution: frequent !== undefined || quantiles !== undefined,
    count: alike.reduce((sum, { profile }) => sum + profile.count, 0),
    windows: alike,
  };
}
