import type { CallOptions, JsonObject, RecordStore } from "@millwright/contracts";

/** How far a schedule has come. */
export interface Progress {
  /** When the schedule first began. */
  readonly openedMs: number;
  /** The last due time of the clock that had a run. */
  readonly dueMs: number;
  /** Everything before was looked at. */
  readonly coveredToMs: number;
  /** Rows and labels since the last run. */
  readonly rows: number;
  readonly labels: number;
  /** The last deployment that was read. */
  readonly cursor: number | undefined;
}

const keyOf = (name: string): string => `monitor-schedule/${name}`;
const formatVersion = 1;

/** What was kept; a new schedule has covered everything until now. */
export async function readProgress(
  records: RecordStore | undefined,
  name: string,
  nowMs: number,
  options: CallOptions,
): Promise<Progress> {
  const fresh = { openedMs: nowMs, dueMs: nowMs, coveredToMs: nowMs, rows: 0, labels: 0, cursor: undefined };
  const kept = (await records?.read(keyOf(name), options))?.value;
  if (!isProgress(kept)) return fresh;
  const number = (key: Exclude<keyof Progress, "cursor">): number => {
    const value = kept[key];
    return typeof value === "number" ? value : fresh[key];
  };
  return {
    openedMs: number("openedMs"),
    dueMs: number("dueMs"),
    coveredToMs: number("coveredToMs"),
    rows: number("rows"),
    labels: number("labels"),
    cursor: typeof kept["cursor"] === "number" ? kept["cursor"] : undefined,
  };
}

const isProgress = (kept: unknown): kept is JsonObject =>
  typeof kept === "object" && kept !== null && "formatVersion" in kept && kept.formatVersion === formatVersion;

export async function writeProgress(records: RecordStore | undefined, name: string, progress: Progress): Promise<void> {
  const { cursor, ...rest } = progress;
  await records?.write(keyOf(name), { formatVersion, ...rest, ...(cursor === undefined ? {} : { cursor }) });
}
