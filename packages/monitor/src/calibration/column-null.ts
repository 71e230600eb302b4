import type { Column } from "@millwright/contracts";
import type { ColumnProfile } from "@millwright/data";
import { type ComponentNull, type ComponentValue, fitComponent, lackOfFit } from "./component-null.ts";
import { type Cycle, cycles, type Phases } from "./cycle.ts";
import { componentFromRows, inflationOf } from "./effective-samples.ts";
import { distancesOf, usualShares } from "./matched-reference.ts";
import { outliersOf } from "./outliers.ts";
import { type Partition, partitionOf } from "./partition.ts";
import { persistence } from "./persistence.ts";
import { studentTTails } from "../statistics/distributions.ts";
import { calibrate, smallestOf } from "./tail.ts";
import { statisticsOf, type WindowStatistics } from "./window-statistics.ts";

/**
 * Where the chance of a false alarm is known from. `empirical`: from the windows of history, judged each by the others. `between-windows`: from how far they
 * are spread, as Student's t. `autocorrelation`: from how slowly rows vary within them. `independent-rows`: from their number alone, because the caller
 * says that rows are independent.
 */
export type NullModel = "autocorrelation" | "between-windows" | "empirical" | "independent-rows";

export interface NullOptions {
  /** Fewest rows of a window that is judged, or counts as history. */
  readonly minimumSamples: number;
  /** Fewest windows of history whose own p-values make the null. */
  readonly minimumHistory: number;
  readonly cycle: Cycle | "detect";
  readonly persistence: { readonly windows: number; readonly of: number };
  readonly independentRows: boolean;
}

export interface HistoryWindow {
  readonly column: ColumnProfile;
  readonly phases: Phases;
  /** The rows in their order. */
  readonly rows?: Column | undefined;
}

/** What is found about a column of one window. */
export interface ColumnEvidence {
  /** Chance of what was seen in the last windows where nothing is wrong. */
  readonly pValue: number;
  /** Of this window alone. */
  readonly windowPValue: number;
  readonly null: NullModel;
  /** What moved the most, and how far, in standard deviations of windows in which nothing was wrong. */
  readonly component: string;
  readonly score: number;
  readonly cycle: Cycle;
  /** Windows of history of the same phase. */
  readonly matchedWindows: number;
  readonly historyWindows: number;
  /** Windows that are no history, because the others make them unbelievable. */
  readonly outlyingWindows: number;
  /** Independent rows that would tell as much as the window's do of its location. */
  readonly effectiveSamples: number;
  /**
   * Largest difference of the cumulative distributions, or of a category's share, from what the phase usually holds. For numbers a lower bound, exact at the
   * edges of 128 bins; the true distance is not above `distanceBelow`.
   */
  readonly distance: number;
  readonly distanceBelow: number;
  /** Share of rows without a finite value, now and usually in this phase. */
  readonly missing: number;
  readonly missingUsually: number;
}

export interface ColumnNull {
  /** Judges the next window in the order of time. A text says why it cannot. */
  judge(column: ColumnProfile, phases: Phases): ColumnEvidence | string;
}

interface Component {
  readonly name: string;
  readonly cycle: Cycle;
  readonly fitted: ComponentNull;
  /** Of each window of history; NaN where there is none. */
  readonly scores: Float64Array;
}

interface FittedColumn {
  readonly model: NullModel;
  readonly partition: Partition;
  readonly windows: readonly ScoredWindow[];
  readonly components: readonly Component[];
  readonly outlying: number;
}

type ScoredWindow = HistoryWindow & { readonly statistics: WindowStatistics };

const fewestWindows = 8;
/** Squared residuals must shrink by this share before a cycle is believed. */
const worthwhile = 0.1;

/** Learns from windows in which nothing was wrong how a column goes from window to window. A text says why it cannot. */
export function fitColumn(history: readonly HistoryWindow[], options: NullOptions): ColumnNull | string {
  const enough = history.filter(({ column }) => column.count + column.missing >= options.minimumSamples);
  const partition = partitionOf(enough.map(({ column }) => column));
  if (partition === undefined) return `No window of history has values in ${options.minimumSamples} rows.`;
  const all = enough.map((window) => ({ ...window, statistics: statisticsOf(partition, window.column) }));
  const windows = withoutOutliers(partition, all, options);
  const outlying = all.length - windows.length;
  if (windows.length >= fewestWindows) {
    const model = all.length < options.minimumHistory ? "between-windows" : "empirical";
    const components = fromWindows(partition, windows, options);
    return nullOf({ model, partition, windows, components, outlying }, options);
  }
  const components = fromRows(partition, windows, options);
  if (components !== undefined) {
    const model = options.independentRows ? "independent-rows" : "autocorrelation";
    return nullOf({ model, partition, windows, components, outlying }, options);
  }
  return `History has ${windows.length} windows with enough rows, of the ${fewestWindows} that are needed where the order of rows does not tell how fast they vary.`;
}

function nullOf(fitted: FittedColumn, options: NullOptions): ColumnNull {
  const { partition, windows, components, model, outlying } = fitted;
  const empirical = model === "empirical";
  const past = windows
    .map((_, index) =>
      smallestPValue(
        components.map(({ scores, fitted: each }) => [scores[index] ?? Number.NaN, each.degreesOfFreedom]),
      ),
    )
    .filter((pValue) => !Number.isNaN(pValue));
  const calibrated = empirical ? calibrate(past) : (pValue: number) => pValue;
  const persistent = persistence(options.persistence, past.map(calibrated), empirical);
  const cycle = finest(components);
  const usualIn = usualShares(
    windows.map(({ statistics, phases }) => ({ statistics, phase: phases[cycle] })),
    partition.shares.length,
  );
  return {
    judge(column, phases) {
      const now = statisticsOf(partition, column);
      if (now.rows < options.minimumSamples)
        return `The window has ${now.rows} rows of the ${options.minimumSamples} that are needed.`;
      const scores = components.map((component, index) => scoreOf(component, now, index, phases, options));
      const pValue = smallestPValue(scores);
      if (Number.isNaN(pValue)) return "History has fewer than two windows of this phase of the cycle.";
      const windowPValue = calibrated(pValue);
      const usual = usualIn(phases[cycle]);
      return {
        pValue: persistent(windowPValue),
        windowPValue,
        null: model,
        ...strongestOf(components, scores),
        cycle,
        matchedWindows: usual.windows,
        historyWindows: windows.length,
        outlyingWindows: outlying,
        effectiveSamples: now.count / Math.max(1, components[0]?.fitted.inflation ?? 1),
        ...distancesOf(partition.kind, usual.shares, now.shares),
        missing: now.values.at(-1) as number,
        missingUsually: usual.missing,
      };
    },
  };
}

const namesOf = (partition: Partition): readonly string[] => [
  ...partition.contrasts.map(({ name }) => name),
  "the share of nulls",
];

/** What one component was in each window; undefined where it has not enough rows for it. */
function seriesOf(
  windows: readonly ScoredWindow[],
  index: number,
  cycle: Cycle,
  minimumSamples: number,
): readonly (ComponentValue | undefined)[] {
  return windows.map(({ statistics, phases }) => {
    const ofRows = index === statistics.values.length - 1;
    const count = ofRows ? statistics.rows : statistics.count;
    if (!ofRows && count < minimumSamples) return undefined;
    const [value, within] = [statistics.values[index] as number, statistics.within[index] as number];
    return { value, count, within, phase: phases[cycle] };
  });
}

const known = (series: readonly (ComponentValue | undefined)[]): readonly ComponentValue[] =>
  series.filter((value) => value !== undefined);

/** With fewer windows nobody can say which of them are unlike the others. */
const fewestToCompare = 12;

function withoutOutliers(
  partition: Partition,
  windows: readonly ScoredWindow[],
  { cycle, minimumSamples }: NullOptions,
): readonly ScoredWindow[] {
  if (windows.length < fewestToCompare) return windows;
  const tried = cycle === "detect" ? cycles : [cycle];
  const names = namesOf(partition);
  const components = names.map((_, index) => tried.map((each) => seriesOf(windows, index, each, minimumSamples)));
  const floors = names.map((_, index) => leastVariance(partition, windows, index));
  const outliers = outliersOf(components, floors);
  return outliers.size === 0 ? windows : windows.filter((_, index) => !outliers.has(index));
}

/** What was never missing may yet be, at a share that so many rows would not have shown. */
const leastVariance = (partition: Partition, windows: readonly ScoredWindow[], index: number): number =>
  index < partition.contrasts.length
    ? 0
    : 0.5 / (windows.reduce((sum, { statistics }) => sum + statistics.rows, 0) + 1);

function fromWindows(
  partition: Partition,
  windows: readonly ScoredWindow[],
  { cycle: asked, minimumSamples }: NullOptions,
): readonly Component[] {
  return namesOf(partition).map((name, index) => {
    const valuesIn = (each: Cycle): readonly ComponentValue[] => known(seriesOf(windows, index, each, minimumSamples));
    const cycle = asked === "detect" ? detectCycle(valuesIn) : asked;
    const series = seriesOf(windows, index, cycle, minimumSamples);
    const fitted = fitComponent(known(series), leastVariance(partition, windows, index));
    let at = 0;
    const scores = Float64Array.from(series, (value) =>
      value === undefined ? Number.NaN : (fitted.scores[at++] as number),
    );
    return { name, cycle, fitted, scores };
  });
}

/** The simplest cycle that no other one beats by a worthwhile share. */
function detectCycle(valuesIn: (cycle: Cycle) => readonly ComponentValue[]): Cycle {
  let best: { readonly cycle: Cycle; readonly lack: number } = { cycle: "none", lack: lackOfFit(valuesIn("none")) };
  for (const cycle of cycles) {
    const lack = lackOfFit(valuesIn(cycle));
    if (lack < (1 - worthwhile) * best.lack) best = { cycle, lack };
  }
  return best.cycle;
}

/** Too few windows to compare with each other: what rows within them tell. */
function fromRows(
  partition: Partition,
  windows: readonly ScoredWindow[],
  { independentRows, minimumSamples }: NullOptions,
): readonly Component[] | undefined {
  const inflations = windows.map(({ rows }) => (rows === undefined ? undefined : inflationOf(partition, rows)));
  if (!independentRows && inflations.includes(undefined)) return undefined;
  return namesOf(partition).map((name, index) => {
    const times = inflations.map((inflation) => (independentRows ? 1 : (inflation?.[index] ?? 1)));
    const inflation = times.reduce((sum, time) => sum + time, 0) / times.length;
    const values = known(seriesOf(windows, index, "none", minimumSamples));
    const fitted = componentFromRows(values, leastVariance(partition, windows, index), inflation);
    return { name, cycle: "none", fitted, scores: new Float64Array(0) };
  });
}

const finest = (components: readonly Component[]): Cycle =>
  components.reduce<Cycle>(
    (found, { cycle }) => (cycles.indexOf(cycle) > cycles.indexOf(found) ? cycle : found),
    "none",
  );

/** A score and its degrees of freedom. NaN: no score. */
type Score = readonly [number, number];

function scoreOf(
  { fitted, cycle }: Component,
  now: WindowStatistics,
  index: number,
  phases: Phases,
  { minimumSamples }: NullOptions,
): Score {
  const ofRows = index === now.values.length - 1;
  const count = ofRows ? now.rows : now.count;
  const expected = fitted.expected(phases[cycle]);
  if (expected === undefined || (!ofRows && count < minimumSamples)) return [Number.NaN, 1];
  const distance = (now.values[index] as number) - expected.mean;
  return [distance / Math.sqrt(fitted.variance(count) + expected.variance), fitted.degreesOfFreedom];
}

/** NaN where no component has a score. */
function smallestPValue(scores: readonly Score[]): number {
  const pValues = scores
    .filter(([score]) => !Number.isNaN(score))
    .map(([score, degreesOfFreedom]) => studentTTails(score, degreesOfFreedom));
  return pValues.length === 0 ? Number.NaN : smallestOf(Math.min(...pValues), pValues.length);
}

function strongestOf(
  components: readonly Component[],
  scores: readonly Score[],
): Pick<ColumnEvidence, "component" | "score"> {
  const named = components.map(({ name }, index) => ({ component: name, score: scores[index]?.[0] ?? Number.NaN }));
  return named
    .filter(({ score }) => !Number.isNaN(score))
    .reduce((a, b) => (Math.abs(b.score) > Math.abs(a.score) ? b : a));
}
