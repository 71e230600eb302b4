import { type Batch, hasCode } from "@millwright/contracts";
import { profileOf, sliceBatch } from "@millwright/data";
import type { DriftReport } from "../drift/compare.ts";
import { createDriftMemory, type DriftMemory, forgetWindows, ofModel } from "../drift/drift-memory.ts";
import type { DriftMonitor, DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";
import { ruleInvalid } from "../errors.ts";
import { type AlertRule, checkRule, type MonitorView } from "./alert-rule.ts";
import type { Judge, Judged, StreamDriftOptions } from "./drift-rule.ts";
import { judgeStream } from "./history-judge.ts";
import { hasKnownShare } from "./row-rule.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Of profiles: long enough for three windows of each phase of the week. Of rows, which take more memory and time. */
const [longHistoryMs, shortHistoryMs] = [28 * dayMs, 6 * dayMs];
/** Windows before the recent ones that are looked through for late answers at each evaluation; older ones once a window. */
const lateWindows = 24;

/** Which rows the monitor must keep for the rule. */
export function rowsOfMonitor({
  endpoint,
  monitor,
  rowsPerWindow = monitor.rows ?? 0,
}: StreamDriftOptions): AlertRule["rows"] {
  return rowsPerWindow === 0 ? undefined : { endpoint, perWindow: rowsPerWindow };
}

export function streamJudge(name: string, options: StreamDriftOptions): Judge {
  const { endpoint, monitor, windowMs = hourMs, recentWindows = 3, reference } = options;
  const keptRows = rowsOfMonitor(options)?.perWindow ?? 0;
  const { historyMs = keptRows === 0 ? longHistoryMs : shortHistoryMs, memory = createDriftMemory() } = options;
  const { acceptAfterMs = 0.75 * Math.min(historyMs, shortHistoryMs) } = options;
  checkRule(name, {
    acceptAfterMs: { value: acceptAfterMs, above: 0 },
    windowMs: { value: windowMs, above: 0 },
    historyMs: { value: historyMs, above: windowMs },
    recentWindows: { value: recentWindows, above: 0 },
  });
  // Windows are merged by the hour when they have grown old: parts of an hour are not told apart then.
  if (windowMs % hourMs !== 0) throw ruleInvalid(name, `windowMs must be a whole number of hours, not ${windowMs}`);
  if (!Number.isSafeInteger(recentWindows))
    throw ruleInvalid(name, `recentWindows must be a whole number, not ${recentWindows}`);
  if (reference !== undefined && keptRows === 0)
    throw ruleInvalid(name, "it has a reference of rows, and rowsPerWindow is 0");
  const count = reference === undefined ? Math.floor(historyMs / windowMs) : 1;
  // The same windows give the same report: they are judged once, however often the rule is evaluated.
  const known = new Map<string, { readonly key: string; readonly judged: Judged }>();
  const fitReference = referenceFitter(monitor);
  return (view, variant) => {
    const lastMs = Math.floor(view.nowMs / windowMs) * windowMs;
    const readLast = (length: number) =>
      Array.from({ length }, (_, index) => {
        const endMs = lastMs - (length - 1 - index) * windowMs;
        return { startMs: endMs - windowMs, endMs, reading: view.read(endpoint, variant, windowMs, endMs) };
      });
    const latest = readLast(Math.min(count, recentWindows + lateWindows));
    const accepted = Object.entries(memory.remembered(variant).acceptedMs);
    const model = view.model(endpoint, variant)?.digest;
    const key = JSON.stringify([model ?? null, lastMs, accepted, ...latest.map(({ reading }) => reading.requests)]);
    const earlier = known.get(variant);
    if (earlier?.key === key) return earlier.judged;
    const windows = wholeWindows(readLast(count), windowMs).map(({ startMs, endMs, reading }): DriftWindow => ({
      startMs,
      endMs,
      profile: reading.features,
      ...(keptRows === 0 ? {} : { rows: rowsOf(reading, keptRows) }),
    }));
    const judged =
      reference === undefined
        ? judgeByHistory(monitor, windows, { memory, variant, model, acceptAfterMs, recentWindows })
        : judgeByReference(fitReference, reference, windows.at(-1) as DriftWindow);
    known.set(variant, { key, judged });
    return judged;
  };
}

/** Windows of several hours may have lost some where what is retained begins: the first one after windows without requests is left out. */
function wholeWindows<Window extends { readonly reading: { readonly requests: number } }>(
  windows: readonly Window[],
  windowMs: number,
): readonly Window[] {
  const first = windows.findIndex(({ reading }) => reading.requests > 0);
  return windowMs === hourMs || first < 1 ? windows : windows.filter((_, index) => index !== first);
}

/** The rows are in random order: the first of them are a sample too. Rows that do not speak for their window are none. */
function rowsOf({ rows }: ReturnType<MonitorView["read"]>, limit: number): Batch | undefined {
  if (rows === undefined || !hasKnownShare(rows)) return undefined;
  return rows.length <= limit ? rows.features : sliceBatch(rows.features, 0, limit);
}

interface Judging {
  readonly memory: DriftMemory;
  readonly variant: string;
  /** Digest of the model that answers for it. */
  readonly model: string | undefined;
  readonly acceptAfterMs: number;
  readonly recentWindows: number;
}

function judgeByHistory(
  monitor: DriftMonitorFactory,
  all: readonly DriftWindow[],
  { memory, variant, model, acceptAfterMs, recentWindows }: Judging,
): Judged {
  const past = all.slice(0, -recentWindows).filter(({ profile }) => profile.rows > 0);
  const recent = all.slice(-recentWindows);
  const last = recent.at(-1) as DriftWindow;
  const { windows, leftOut } = sharedColumns([...past, ...recent]);
  const present = new Set([...past, ...recent].filter(({ profile }) => profile.rows > 0).map(({ startMs }) => startMs));
  const known = forgetWindows(ofModel(memory.remembered(variant), model), present, (all[0] as DriftWindow).startMs);
  return judgedOf(last, leftOut, () => {
    const split = { past: windows.slice(0, past.length), recent: windows.slice(past.length) };
    const { report, remembered } = judgeStream(monitor, split, known, acceptAfterMs);
    memory.remember(variant, remembered);
    return report;
  });
}

/** Fewer rows than any monitor of rows judges. */
const fewestRows = 20;

type ReferenceFitter = (rows: Batch, size: number) => DriftMonitor;

/** A monitor made from parts of `size` rows; the last is remembered, since windows with many rows have as many as are kept. */
function referenceFitter(monitor: DriftMonitorFactory): ReferenceFitter {
  let known: { readonly key: string; readonly fitted: DriftMonitor } | undefined;
  return (rows, size) => {
    const key = JSON.stringify([size, Object.keys(rows.columns)]);
    if (known?.key === key) return known.fitted;
    const parts = Array.from({ length: Math.floor(rows.length / size) }, (_, index): DriftWindow => {
      const part = sliceBatch(rows, index * size, (index + 1) * size);
      return { startMs: index, endMs: index + 1, profile: profileOf(part), rows: part };
    });
    known = { key, fitted: monitor(parts) };
    return known.fitted;
  };
}

function judgeByReference(fit: ReferenceFitter, reference: Batch, window: DriftWindow): Judged {
  const size = window.rows?.length ?? 0;
  const { windows, leftOut } = sharedColumns([{ ...window, rows: reference }, window]);
  const [{ rows }, judged] = windows as [DriftWindow & { readonly rows: Batch }, DriftWindow];
  return judgedOf(window, leftOut, () =>
    size < fewestRows ? tooFew(`The window has ${size} rows.`) : fit(rows, size).judge(judged),
  );
}

/** What the rows do not allow to judge is not known; the reason says why. */
function judgedOf(window: DriftWindow, leftOut: readonly string[], judge: () => DriftReport): Judged {
  let report: DriftReport;
  try {
    report = judge();
  } catch (error) {
    if (!hasCode(error, "MONITOR_ROWS_INVALID")) throw error;
    report = tooFew(error.message);
  }
  const notes = leftOut.length === 0 ? [] : [`Left out, since not all windows have them: ${leftOut.join(", ")}.`];
  const { lower, upper, value = 0 } = report.multivariate ?? {};
  return {
    report: { ...report, reasons: [...report.reasons, ...notes] },
    rows: window.rows?.length ?? window.profile.rows,
    window: { fromMs: window.startMs, toMs: window.endMs },
    threshold: (value < (lower ?? Number.NEGATIVE_INFINITY) ? lower : upper) ?? 0,
  };
}

const tooFew = (reason: string): DriftReport => ({
  verdict: "not-enough-data",
  reasons: [reason],
  driftedShare: 0,
  columns: [],
});

/** The windows with those columns of their rows that all have, of one kind. */
function sharedColumns(windows: readonly DriftWindow[]): {
  readonly windows: readonly DriftWindow[];
  readonly leftOut: readonly string[];
} {
  const tables = windows.flatMap(({ rows }) => (rows === undefined || rows.length === 0 ? [] : [rows]));
  const names = [...new Set(tables.flatMap(({ columns }) => Object.keys(columns)))];
  const kinds = (name: string): Set<string | undefined> =>
    new Set(tables.map(({ columns }) => (Object.hasOwn(columns, name) ? kindOf(columns[name]?.type) : undefined)));
  const shared = new Set(names.filter((name) => kinds(name).size === 1));
  if (shared.size === names.length) return { windows, leftOut: [] };
  const only = ({ length, columns }: Batch): Batch => ({
    length,
    columns: Object.fromEntries(Object.entries(columns).filter(([name]) => shared.has(name))),
  });
  return {
    windows: windows.map((window) => (window.rows === undefined ? window : { ...window, rows: only(window.rows) })),
    leftOut: names.filter((name) => !shared.has(name)),
  };
}

/** A reference may have numbers and texts of other types than live rows. */
const kindOf = (type: string | undefined): string | undefined =>
  type === "utf8" || type === "dictionary"
    ? "text"
    : type !== undefined && ["timestamp", "date", "list", "binary"].includes(type)
      ? type
      : "number";
