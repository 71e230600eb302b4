import { setImmediate as turn } from "node:timers/promises";
import { createRandom, type Random } from "@millwright/contracts";
import { profileOf } from "@millwright/data";
import type { DriftMonitorFactory, DriftWindow } from "../drift/drift-monitor.ts";
import { backtestInvalid } from "../errors.ts";
import { inject } from "../injection/inject.ts";
import type { DriftInjection } from "../injection/drifts.ts";
import { clopperPearsonInterval } from "../statistics/distributions.ts";
import { type BacktestRunOptions, runOptionsOf } from "./run-options.ts";

export interface BacktestOptions extends BacktestRunOptions<BacktestProgress> {
  /** Windows that the monitor is made from. Default: half of the history. */
  readonly historyWindows?: number | undefined;
  /** Most windows a monitor judges before it is made anew from the windows before. Default: as many as it was made from. */
  readonly judgedWindows?: number | undefined;
  /** Drifts to find, by name: injected from the first row of a window on. They need windows with rows. Default: none. */
  readonly drifts?: Readonly<Record<string, readonly DriftInjection[]>> | undefined;
  /** How many times each drift is injected, at windows drawn at random. Default: 20. */
  readonly repetitions?: number | undefined;
  /** Windows in which a drift must be found. Default: 10. */
  readonly horizonWindows?: number | undefined;
}

export interface BacktestProgress {
  /** Monitors that were run so far, of all. */
  readonly done: number;
  readonly total: number;
}

export interface FalseAlarms {
  /** Windows of history that were judged, and those of them in which the monitor said drift. */
  readonly windows: number;
  readonly alarms: number;
  /** Windows for which it said that there is not enough data. */
  readonly withoutVerdict: number;
  readonly perYear: number;
  /** Exact for windows that are independent (Clopper and Pearson 1934), in alarms a year. */
  readonly perYearInterval: readonly [number, number];
}

export interface DriftFindings {
  readonly repetitions: number;
  readonly found: number;
  readonly share: number;
  /** Exact (Clopper and Pearson 1934). */
  readonly shareInterval: readonly [number, number];
  /** Of those found: from the start of the first drifted window to the end of the one with the alarm, milliseconds. Absent where none was. */
  readonly medianDelayMs?: number | undefined;
  readonly slowestDelayMs?: number | undefined;
  /** The share that false alarms alone would have found within the horizon. */
  readonly shareByChance: number;
}

/** What a monitor would have done. The same windows, monitor and options give the same report, as JSON to the letter. */
export interface BacktestReport {
  readonly formatVersion: 1;
  readonly seed: number;
  readonly confidence: number;
  readonly historyWindows: number;
  readonly horizonWindows: number;
  /** From the start of a window to the start of the next, the middle one; milliseconds. */
  readonly everyMs: number;
  readonly falseAlarms: FalseAlarms;
  readonly drifts: Readonly<Record<string, DriftFindings>>;
}

const yearMs = 365.25 * 86_400_000;

interface Plan {
  readonly factory: DriftMonitorFactory;
  readonly windows: readonly DriftWindow[];
  readonly historyWindows: number;
  readonly judgedWindows: number;
  readonly horizonWindows: number;
  readonly confidence: number;
  readonly seed: number;
  readonly everyMs: number;
}

/**
 * Runs a monitor over windows of the past, before it is enabled: the false alarms it would have raised, and how soon it would have found drifts that are injected. The
 * windows must be ones in which nothing was wrong. It gives way to other work between monitors. Throws `MONITOR_BACKTEST_INVALID`, what the monitor throws, and the signal's reason.
 */
export async function backtest(
  factory: DriftMonitorFactory,
  windows: readonly DriftWindow[],
  options: BacktestOptions = {},
): Promise<BacktestReport> {
  const { drifts = {}, repetitions = 20, onProgress, signal } = options;
  signal?.throwIfAborted();
  const plan = planOf(factory, windows, options);
  const { seed } = plan;
  const origins: number[] = [];
  for (let origin = plan.historyWindows; origin < windows.length; origin += plan.judgedWindows) origins.push(origin);
  const names = Object.keys(drifts);
  const total = origins.length + names.length * repetitions;
  let done = 0;
  const step = async (): Promise<void> => {
    done += 1;
    onProgress?.({ done, total });
    await turn();
    signal?.throwIfAborted();
  };
  let [alarms, withoutVerdict] = [0, 0];
  for (const origin of origins) {
    const verdicts = verdictsOf(plan, origin, windows.slice(origin, origin + plan.judgedWindows));
    alarms += verdicts.filter((verdict) => verdict === "drift").length;
    withoutVerdict += verdicts.filter((verdict) => verdict === "not-enough-data").length;
    await step();
  }
  const falseAlarms = falseAlarmsOf(plan, windows.length - plan.historyWindows, alarms, withoutVerdict);
  const found: Record<string, DriftFindings> = {};
  for (const name of names) {
    const random = createRandom(seed).fork(name);
    const delays: (number | undefined)[] = [];
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      delays.push(delayOf(plan, drifts[name] ?? [], random));
      await step();
    }
    found[name] = findingsOf(plan, delays, falseAlarms);
  }
  const { historyWindows, horizonWindows, confidence, everyMs } = plan;
  return { formatVersion: 1, seed, confidence, historyWindows, horizonWindows, everyMs, falseAlarms, drifts: found };
}

const whole = (name: string, value: number, from: number, to: number): void => {
  if (!(Number.isInteger(value) && value >= from && value <= to))
    throw backtestInvalid(`${name} must be a whole number from ${from} to ${to}, not ${value}`);
};

function planOf(factory: DriftMonitorFactory, windows: readonly DriftWindow[], options: BacktestOptions): Plan {
  if (typeof factory !== "function") throw backtestInvalid("the monitor must be a function that makes one");
  if (!Array.isArray(windows) || windows.length < 2) throw backtestInvalid("there are fewer than two windows");
  const { historyWindows = Math.floor(windows.length / 2), horizonWindows = 10, repetitions = 20 } = options;
  whole("historyWindows", historyWindows, 1, windows.length - 1);
  const { judgedWindows = historyWindows, drifts = {} } = options;
  whole("judgedWindows", judgedWindows, 1, Number.MAX_SAFE_INTEGER);
  whole("horizonWindows", horizonWindows, 1, Number.MAX_SAFE_INTEGER);
  whole("repetitions", repetitions, 1, 1_000_000);
  const run = runOptionsOf(options);
  const steps = windows.slice(1).map(({ startMs }, index) => startMs - (windows[index] as DriftWindow).startMs);
  if (steps.some((gap) => !(gap > 0))) throw backtestInvalid("the windows are not in the order of time");
  if (Object.keys(drifts).length > 0) {
    if (windows.some(({ rows }) => rows === undefined))
      throw backtestInvalid("drifts can be injected only into windows that hold their rows");
    if (historyWindows + horizonWindows > windows.length)
      throw backtestInvalid(
        `${historyWindows} windows of history and a horizon of ${horizonWindows} do not fit into ${windows.length} windows`,
      );
  }
  const everyMs = steps.toSorted((a, b) => a - b)[steps.length >> 1] as number;
  return { factory, windows, historyWindows, judgedWindows, horizonWindows, ...run, everyMs };
}

/** What a monitor made from the windows before `origin` says of these. */
const verdictsOf = ({ factory, windows, historyWindows }: Plan, origin: number, judged: readonly DriftWindow[]) => {
  const monitor = factory(windows.slice(origin - historyWindows, origin));
  return judged.map((window) => monitor.judge(window).verdict);
};

function falseAlarmsOf(
  { everyMs, confidence }: Plan,
  windows: number,
  alarms: number,
  withoutVerdict: number,
): FalseAlarms {
  const aYear = yearMs / everyMs;
  const [low, high] = clopperPearsonInterval(alarms, windows, confidence);
  return {
    windows,
    alarms,
    withoutVerdict,
    perYear: (alarms / windows) * aYear,
    perYearInterval: [low * aYear, high * aYear],
  };
}

/** Injects the drifts from a window drawn at random on. @returns milliseconds until the alarm; undefined where there was none. */
function delayOf(plan: Plan, drifts: readonly DriftInjection[], random: Random): number | undefined {
  const { windows, historyWindows, horizonWindows } = plan;
  const origin = historyWindows + random.integer(windows.length - historyWindows - horizonWindows + 1);
  const seed = random.integer(2 ** 32);
  let fromRow = 0;
  const drifted = windows.slice(origin, origin + horizonWindows).map((window): DriftWindow => {
    const rows = inject(window.rows as NonNullable<DriftWindow["rows"]>, drifts, { seed, fromRow });
    fromRow += rows.length;
    return { ...window, rows, profile: profileOf(rows) };
  });
  const first = verdictsOf(plan, origin, drifted).indexOf("drift");
  const alarm = drifted[first];
  return alarm === undefined ? undefined : alarm.endMs - (drifted[0] as DriftWindow).startMs;
}

function findingsOf(
  { confidence, horizonWindows }: Plan,
  delays: readonly (number | undefined)[],
  falseAlarms: FalseAlarms,
): DriftFindings {
  const found = delays.filter((delay) => delay !== undefined).toSorted((a, b) => a - b);
  const rate = falseAlarms.alarms / falseAlarms.windows;
  return {
    repetitions: delays.length,
    found: found.length,
    share: found.length / delays.length,
    shareInterval: clopperPearsonInterval(found.length, delays.length, confidence),
    ...(found.length === 0 ? {} : { medianDelayMs: found[(found.length - 1) >> 1], slowestDelayMs: found.at(-1) }),
    shareByChance: 1 - (1 - rate) ** horizonWindows,
  };
}
