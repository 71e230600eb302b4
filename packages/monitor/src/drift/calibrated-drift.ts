import { type AlphaSchedule, createAlphaSchedule } from "../calibration/alpha-schedule.ts";
import { type ColumnEvidence, type ColumnNull, fitColumn, type NullModel } from "../calibration/column-null.ts";
import { createPhases, eventAt, type Phases } from "../calibration/cycle.ts";
import { adjustPValues } from "../calibration/multiplicity.ts";
import { type CalibratedDriftOptions, type Settings, settingsOf } from "./calibrated-options.ts";
import { type ColumnDrift, type DriftReport, overallVerdict } from "./compare.ts";
import type { DriftMonitor, DriftMonitorFactory, DriftWindow } from "./drift-monitor.ts";
import { historyOf, type TypedHistory } from "./window-history.ts";

/**
 * Drift of a stream whose false alarms are as rare as asked: the windows of history, which nothing was wrong in, tell what windows do by themselves, be it by time of day, by
 * weekday, or because rows depend on each other. Every window is compared with history of its phase, from profiles alone; what is kept of history
 * does not grow with its rows. Give it some 30 windows and three of each phase. Throws `MONITOR_PARAMETER_INVALID`; what it returns throws `MONITOR_HISTORY_INVALID`.
 */
export function calibratedDrift(options: CalibratedDriftOptions = {}): DriftMonitorFactory {
  const settings = settingsOf(options);
  return (history) => createCalibratedMonitor(history, settings);
}

function createCalibratedMonitor(history: readonly DriftWindow[], settings: Settings): DriftMonitor {
  const { columns, windowMs } = historyOf(history, settings.calendar);
  const phasesAt = createPhases(windowMs, settings.calendar);
  const nulls = new Map(
    Array.from(columns, ([name, column]) => {
      const windows = column.windows.map(({ startMs, profile, rows }) => ({
        column: profile,
        phases: phasesAt(startMs),
        rows,
      }));
      return [name, fitColumn(windows, settings)] as const;
    }),
  );
  const schedule = createAlphaSchedule(settings.alpha, settings.acrossWindows);
  return {
    judge(window) {
      const event = eventAt(window.startMs, window.endMs, settings.calendar);
      if (event !== undefined) return notJudged(`The window touches a known event: ${event.name}.`);
      if (window.profile.rows < settings.minimumSamples)
        return notJudged(
          `The window has ${window.profile.rows} rows of the ${settings.minimumSamples} that are needed.`,
        );
      const phases = phasesAt(window.startMs);
      const judged = Array.from(columns, ([name, column]) =>
        lookAt(name, column, nulls.get(name) as ColumnNull | string, window, phases),
      );
      return reportOf(judged, window, columns, schedule, settings);
    },
  };
}

const notJudged = (reason: string): DriftReport => ({
  verdict: "not-enough-data",
  reasons: [reason],
  driftedShare: 0,
  columns: [],
});

/** What is known of a column before p-values are adjusted: a verdict already, or evidence. */
interface LookedAt {
  readonly column: ColumnDrift;
  readonly evidence?: ColumnEvidence | undefined;
}

function lookAt(
  name: string,
  { type, count, hasDistribution }: TypedHistory,
  known: ColumnNull | string,
  { profile }: DriftWindow,
  phases: Phases,
): LookedAt {
  const current = Object.hasOwn(profile.columns, name) ? profile.columns[name] : undefined;
  const base = { name, baselineCount: count, currentCount: current?.count ?? 0, measures: {} };
  if (current === undefined) return { column: { ...base, verdict: "drift", reasons: ["The column is gone."] } };
  if (current.type !== type)
    return { column: { ...base, verdict: "drift", reasons: [`The type was ${type} and is ${current.type}.`] } };
  if (!hasDistribution)
    return {
      column: { ...base, verdict: "not-compared", reasons: [`Columns of the type ${type} have no distribution.`] },
    };
  const evidence = typeof known === "string" ? known : known.judge(current, phases);
  if (typeof evidence === "string") return { column: { ...base, verdict: "not-enough-data", reasons: [evidence] } };
  return { column: { ...base, verdict: "ok", reasons: [] }, evidence };
}

function reportOf(
  judged: readonly LookedAt[],
  { profile }: DriftWindow,
  known: ReadonlyMap<string, unknown>,
  schedule: AlphaSchedule,
  settings: Settings,
): DriftReport {
  const { groupOf, correction } = settings;
  const adjusted = adjustPValues(
    judged.map(({ evidence }) => evidence?.pValue ?? Number.NaN),
    correction,
    judged.map(({ column: { name } }) => groupOf.get(name) ?? `column ${name}`),
  );
  const level = schedule.level();
  const tested = adjusted.filter((pValue) => !Number.isNaN(pValue));
  if (tested.length > 0) schedule.advance(tested.some((pValue) => pValue <= level));
  const columns = judged.map(({ column, evidence }, index) =>
    evidence === undefined ? column : decide(column, evidence, adjusted[index] as number, level, settings),
  );
  const extra = Object.entries(profile.columns)
    .filter(([name]) => !known.has(name))
    .map(([name, { count }]): ColumnDrift => ({
      name,
      verdict: "not-compared",
      reasons: ["History has no such column."],
      baselineCount: 0,
      currentCount: count,
      measures: {},
    }));
  return { ...overallVerdict(columns, settings), columns: [...columns, ...extra], notes: notesOn(judged) };
}

const otherNulls: Readonly<Record<NullModel, string | undefined>> = {
  empirical: undefined,
  "between-windows": "history has few windows, so the chance comes from the spread between them, as Student's t",
  autocorrelation: "history has too few windows to compare, so the chance comes from the autocorrelation of rows",
  "independent-rows": "history has too few windows to compare, so the chance is that of independent rows",
};

/** Where chances are not those of an empirical null, and what is left out of history. */
function notesOn(judged: readonly LookedAt[]): readonly string[] {
  const models = Object.entries(otherNulls).flatMap(([model, note]) => {
    const names = judged.filter(({ evidence }) => evidence?.null === model).map(({ column: { name } }) => name);
    return note === undefined || names.length === 0 ? [] : [`${names.join(", ")}: ${note}.`];
  });
  const outlying = judged.flatMap(({ column: { name }, evidence: { outlyingWindows = 0 } = {} }) => {
    if (outlyingWindows === 0) return [];
    return [
      outlyingWindows === 1
        ? `${name}: 1 window of history is unlike all others, and left out.`
        : `${name}: ${outlyingWindows} windows of history are unlike all others, and left out.`,
    ];
  });
  return [...models, ...outlying];
}

const rounded = (value: number): string => String(Number(value.toPrecision(3)));

function decide(
  column: ColumnDrift,
  evidence: ColumnEvidence,
  adjustedPValue: number,
  level: number,
  { minimumDistance, minimumMissingChange }: Settings,
): ColumnDrift {
  const { distance, missing, missingUsually, component, score, historyWindows } = evidence;
  const measures = {
    largestDifference: distance,
    calibrated: { ...evidence, adjustedPValue, level },
  };
  const sizes = [
    ...(Math.abs(missing - missingUsually) >= minimumMissingChange
      ? [`The share of nulls went from ${rounded(missingUsually)} to ${rounded(missing)}`]
      : []),
    ...(distance >= minimumDistance ? [`The distance is ${rounded(distance)}, at least ${minimumDistance}`] : []),
  ];
  if (!(adjustedPValue <= level && sizes.length > 0)) return { ...column, measures };
  const chance = `p = ${rounded(adjustedPValue)} of the ${rounded(level)} allowed, from ${historyWindows} windows of history`;
  const reason = `${sizes.join(". ")}; ${component} moved the most, by ${rounded(score)} standard deviations; ${chance}.`;
  return { ...column, verdict: "drift", reasons: [reason], measures };
}
