import type { AcrossWindows } from "../calibration/alpha-schedule.ts";
import type { NullOptions } from "../calibration/column-null.ts";
import { type Calendar, type Cycle, cycles } from "../calibration/cycle.ts";
import { type Correction, corrections } from "../calibration/multiplicity.ts";
import { parameterInvalid } from "../errors.ts";

/** When a column of a stream of windows counts as drifted: what is seen must be rarer than chance makes it, large enough to matter, and rest on enough rows. */
export interface CalibratedDriftOptions {
  /** The chance of a false alarm; of what, `correction` and `acrossWindows` say. In (0, 1). Default: 0.01. */
  readonly alpha?: number | undefined;
  /** What `alpha` is the chance of when columns are judged together; `none`: of an alarm of each of them. Default: `benjamini-hochberg`. */
  readonly correction?: Correction | undefined;
  /** `hierarchical`: names of columns by the name of their group; what is in none is one by itself. */
  readonly groups?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Default: `{ kind: "none" }`: `alpha` is the chance in each window. */
  readonly acrossWindows?: AcrossWindows | undefined;
  /** A column drifts when at least `windows` of the last `of` windows are too rare together; `alpha` stays the chance of a false alarm in a window. Default: 1 of 1. */
  readonly persistence?: { readonly windows: number; readonly of: number } | undefined;
  /** Fewest rows of a window. Default: 500. */
  readonly minimumSamples?: number | undefined;
  /** Smallest distance that matters: of the cumulative distributions of numbers, of the share of a category. In [0, 1]. Default: 0.05, the distance of a shift of 1/8 of a standard deviation. */
  readonly minimumDistance?: number | undefined;
  /** Smallest change of the share of nulls that matters, in [0, 1]. Default: 0.05. */
  readonly minimumMissingChange?: number | undefined;
  /** Fewest windows of history for an empirical null; from 8 windows on, the spread between them serves. Default: 30. */
  readonly minimumHistory?: number | undefined;
  /** Which windows are compared with each other. `detect`: for each column, what explains its history best. Default: `detect`. */
  readonly cycle?: Cycle | "detect" | undefined;
  readonly calendar?: Calendar | undefined;
  /** Rows are known to be independent of each other: then any history will do. Default: false. */
  readonly independentRows?: boolean | undefined;
  /** The table has drifted when more than this share of its compared columns has. 0: any column. Default: 0. */
  readonly driftedShare?: number | undefined;
}

/** Options with their defaults. */
export interface Settings extends NullOptions {
  readonly alpha: number;
  readonly correction: Correction;
  readonly groupOf: ReadonlyMap<string, string>;
  readonly acrossWindows: AcrossWindows;
  readonly minimumDistance: number;
  readonly minimumMissingChange: number;
  readonly calendar: Calendar;
  readonly driftedShare: number;
}

/** Throws `MONITOR_PARAMETER_INVALID`. */
export function settingsOf(options: CalibratedDriftOptions): Settings {
  const { alpha = 0.01, minimumDistance = 0.05, minimumMissingChange = 0.05, driftedShare = 0 } = options;
  const { minimumSamples = 500, minimumHistory = 30, acrossWindows = { kind: "none" }, calendar = {} } = options;
  const { persistence = { windows: 1, of: 1 }, cycle = "detect", independentRows = false, groups = {} } = options;
  const { correction = "benjamini-hochberg" } = options;
  const groupOf = new Map(Object.entries(groups).flatMap(([group, names]) => names.map((name) => [name, group])));
  const settings: Settings = {
    alpha,
    correction,
    groupOf,
    acrossWindows,
    persistence,
    minimumSamples,
    minimumDistance,
    minimumMissingChange,
    minimumHistory,
    cycle,
    calendar,
    independentRows,
    driftedShare,
  };
  const problem = problemOf(settings);
  if (problem !== undefined) throw parameterInvalid(problem);
  return settings;
}

function problemOf(settings: Settings): string | undefined {
  const { alpha, correction, cycle, acrossWindows, persistence, minimumSamples, minimumHistory, calendar } = settings;
  const isCount = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
  if (!(alpha > 0 && alpha < 1)) return `alpha is ${alpha}, and must be in (0, 1)`;
  for (const share of ["minimumDistance", "minimumMissingChange", "driftedShare"] as const) {
    if (!(settings[share] >= 0 && settings[share] <= 1)) return `${share} is ${settings[share]}, and must be in [0, 1]`;
  }
  if (!corrections.includes(correction)) return `correction must be one of ${corrections.join(", ")}`;
  if (cycle !== "detect" && !cycles.includes(cycle)) return `cycle must be one of detect, ${cycles.join(", ")}`;
  if (!isCount(minimumSamples, 1)) return `minimumSamples is ${minimumSamples}, and must be a whole number from 1`;
  if (!isCount(minimumHistory, 8)) return `minimumHistory is ${minimumHistory}, and must be a whole number from 8`;
  if (!["none", "online-fdr", "spending"].includes(acrossWindows.kind))
    return "acrossWindows must be of the kind none, online-fdr or spending";
  if (acrossWindows.kind === "spending" && !isCount(acrossWindows.windows, 1))
    return `the number of windows to spend alpha over is ${acrossWindows.windows}, and must be a whole number from 1`;
  const { windows, of } = persistence;
  if (!isCount(windows, 1) || !isCount(of, windows))
    return `persistence is ${windows} of ${of}, and must be k of m windows with 1 ≤ k ≤ m`;
  const wrong = calendar.holidays?.find((date) => !/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(Date.parse(date)));
  return wrong === undefined ? undefined : `"${wrong}" is no day such as 2026-12-25`;
}
