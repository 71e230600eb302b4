import type { Field } from "@millwright/contracts";
import type { Aggregate } from "../definition/aggregate.ts";
import type { FeatureView } from "../definition/definition.ts";
import type { EventWindow } from "./event-window.ts";
import { scaleOf } from "../definition/source-columns.ts";
import { createEntityRows, type EntityRows } from "../windows/entity-rows.ts";
import { identityOf, ranksRows } from "../windows/event-identity.ts";
import { type AggregateType, aggregateType, isNumberResult } from "../windows/result-column.ts";
import { createStatistic, type AggregateValue, type Statistic } from "../windows/statistic.ts";
import type { TiledPartial, TilePlan } from "../windows/tiles.ts";
import { divisor, placeWindow, type PlacedWindow } from "../windows/time-window.ts";
import type { InputNeeds } from "../windows/value-column.ts";

/** One row of aggregates: numbers, NaN for null; in their places lists and texts, undefined for null. */
export interface AggregateResults {
  readonly numbers: Float64Array;
  readonly others: unknown[];
}

/** A view's aggregates, ready to be read from an entity's rows. */
export interface CompiledAggregates {
  readonly names: readonly string[];
  /** By aggregate: what kind of column its results make. */
  readonly types: readonly AggregateType[];
  /** The inputs in the order of the event window's. */
  readonly inputs: readonly string[];
  readonly needs: readonly InputNeeds[];
  /** Microseconds that windows reach back at most; 0 without aggregates. */
  readonly longestUs: number;
  /** Microseconds that windows reach back in which every row counts by itself. */
  readonly rowsUs: number;
  readonly tiles: TilePlan | undefined;
  /** @param options.byRank Whether rows of one time are added in the order in which one outranks another. Default: false. */
  createRows(options: { readonly keepRows: boolean; readonly byRank?: boolean | undefined }): EntityRows;
  createResults(): AggregateResults;
  /** Writes the value of each aggregate at a time to `results`. */
  evaluate(entity: EntityRows, timeUs: number, results: AggregateResults): void;
}

/** An aggregate's field under a name. */
export function aggregateField(view: Pick<FeatureView, "inputs">, name: string, aggregate: Aggregate): Field {
  return { name, ...aggregateType(view, aggregate) };
}

interface Plan {
  readonly index: number;
  readonly aggregate: Aggregate;
  readonly input: number;
  readonly scale: number;
  readonly isNumber: boolean;
  readonly window: PlacedWindow;
  readonly statistic: Statistic;
}

/** Types of which there are no sums. */
const SINGLE = new Set<string>(["utf8", "timestamp"]);

export function compileAggregates(view: FeatureView): CompiledAggregates {
  const inputs = Object.keys(view.inputs);
  const aggregates = Object.values(view.aggregates);
  const types = aggregates.map((aggregate) => aggregateType(view, aggregate));
  const windows = new Map<string, PlacedWindow>();
  const plans = aggregates.map((aggregate, index): Plan => {
    const input = aggregate.input === undefined ? -1 : inputs.indexOf(aggregate.input);
    const scale = aggregate.input === undefined ? 1 : scaleOf(view, aggregate.input);
    const key = JSON.stringify([aggregate.windowMs, aggregate.window]);
    const window = windows.get(key) ?? placeWindow(aggregate.windowMs, aggregate.window);
    windows.set(key, window);
    const statistic = createStatistic(aggregate, { index: input, scale });
    const isNumber = isNumberResult(types[index]!);
    return { index, aggregate, input, scale, isNumber, window, statistic };
  });
  const needs = inputs.map((name, input) => {
    const isValue = SINGLE.has(view.inputs[name]!) || view.eventId.includes(name);
    return needsOf(plans, input, isValue);
  });
  const identity = identityOf(view, false);
  const tiles = tilePlanOf(plans, inputs, identity !== undefined);
  const ofRows = plans.filter(({ window }) => window.tileUs === 0);
  return {
    names: Object.keys(view.aggregates),
    types,
    inputs,
    needs,
    longestUs: Math.max(0, ...plans.map(({ window }) => window.reachUs)),
    rowsUs: Math.max(0, ...ofRows.map(({ window }) => window.reachUs)),
    tiles,
    createRows: ({ keepRows, byRank = false }) =>
      createEntityRows(inputs.length, tiles, {
        keepRows: keepRows || ranksRows(view),
        needs,
        identity: byRank ? identityOf(view, true) : identity,
      }),
    createResults: () => ({ numbers: new Float64Array(plans.length).fill(Number.NaN), others: [] }),
    evaluate: evaluator(plans, tiles),
  };
}

/** Sums of an input that no aggregate is of are kept as well: it may become one's. */
function needsOf(plans: readonly Plan[], input: number, isValue: boolean): InputNeeds {
  const uses = plans.filter((plan) => plan.input === input).map(({ statistic }) => statistic.needs);
  if (uses.length === 0) return { sums: !isValue, squares: false, values: isValue };
  const any = (what: keyof InputNeeds): boolean => uses.some((use) => use[what]);
  return { sums: any("sums"), squares: any("squares"), values: any("values") };
}

const partialName = ({ aggregate: { input = "" }, statistic, scale }: Plan): string =>
  `${statistic.partialName}(${input})/${scale}`;

function tilePlanOf(plans: readonly Plan[], inputs: readonly string[], remembers: boolean): TilePlan | undefined {
  const tiled = plans.filter(({ window }) => window.tileUs > 0);
  if (tiled.length === 0) return undefined;
  const partials = new Map<string, TiledPartial>();
  for (const plan of tiled) {
    const name = partialName(plan);
    const input = plan.aggregate.input === undefined ? -1 : inputs.indexOf(plan.aggregate.input);
    if (!partials.has(name)) partials.set(name, { name, kind: plan.statistic.partial, input });
  }
  return {
    widthUs: tiled.reduce((width, { window }) => divisor(width, window.tileUs), 0),
    reachUs: Math.max(...tiled.map(({ window }) => window.reachUs)),
    partials: [...partials.values()],
    remembers,
  };
}

type Evaluate = CompiledAggregates["evaluate"];

const PREFIXED = new Set(["count", "sum", "mean"]);

function evaluator(plans: readonly Plan[], tiles: TilePlan | undefined): Evaluate {
  const isPrefixed = ({ aggregate }: Plan): boolean => aggregate.window === undefined && PREFIXED.has(aggregate.kind);
  const prefixed = prefixEvaluator(plans.filter(isPrefixed));
  const rest = plans.filter((plan) => !isPrefixed(plan));
  if (rest.length === 0) {
    return (entity, timeUs, { numbers }) => prefixed(entity.rows, timeUs, numbers, entity.deletedUs(timeUs, true));
  }
  const others = windowEvaluator(rest, tiles);
  return (entity, timeUs, results) => {
    prefixed(entity.rows, timeUs, results.numbers, entity.deletedUs(timeUs, true));
    others(entity, timeUs, results);
  };
}

/**
 * Counts, sums and means of windows that slide with time: differences of running sums. A mean is one division of two whole numbers, so it is the
 * nearest double to the true mean of the rounded values.
 */
function prefixEvaluator(
  plans: readonly Plan[],
): (rows: EventWindow, timeUs: number, numbers: Float64Array, deletedUs: number) => void {
  const lengths = [...new Set(plans.map(({ window }) => window.reachUs))];
  const plan = plans.map(({ index, aggregate: { kind }, input, scale, window }) => {
    return { index, kind, input, scale, window: lengths.indexOf(window.reachUs) };
  });
  const starts = new Int32Array(lengths.length);
  return (rows, timeUs, numbers, deletedUs) => {
    const end = rows.countBefore(timeUs);
    for (let index = 0; index < lengths.length; index++) {
      // Times are whole microseconds: what is after a delete is at the next one or later.
      starts[index] = rows.countBefore(Math.max(timeUs - lengths[index]!, deletedUs + 1));
    }
    for (let each = 0; each < plan.length; each++) {
      const { index, kind, input, scale, window } = plan[each]!;
      const start = starts[window]!;
      if (kind === "count") numbers[index] = end - start;
      else if (kind === "sum") numbers[index] = rows.sum(input, start, end) / scale;
      else numbers[index] = rows.sum(input, start, end) / (rows.count(input, start, end) * scale);
    }
  };
}

/** All other aggregates: of the rows in the window, or of its tiles and those of its rows that are not in one yet. */
function windowEvaluator(plans: readonly Plan[], tiling: TilePlan | undefined): Evaluate {
  const windows = [...new Set(plans.map(({ window }) => window))];
  const plan = plans.map((each) => ({
    ...each,
    place: windows.indexOf(each.window),
    partial: each.window.tileUs === 0 ? -1 : tiling!.partials.findIndex(({ name }) => name === partialName(each)),
  }));
  const [startsUs, endsUs] = [new Float64Array(windows.length), new Float64Array(windows.length)];
  return (entity, timeUs, { numbers, others }) => {
    const { rows } = entity;
    const deletedUs = entity.deletedUs(timeUs, true);
    windows.forEach((window, place) => {
      startsUs[place] = window.startUs(rows, timeUs);
      endsUs[place] = window.endUs(timeUs);
    });
    for (const { index, place, partial, statistic, isNumber } of plan) {
      const [windowUs, endUs] = [startsUs[place]!, endsUs[place]!];
      // A window that was over when its entity was deleted has no rows left.
      const startUs = Math.min(Math.max(windowUs, deletedUs + 1), Math.max(windowUs, endUs));
      const value =
        partial < 0
          ? statistic.value(rows, rows.countBefore(startUs), rows.countBefore(endUs))
          : answerOf(entity, { index, partial, statistic, windowUs, startUs, endUs, deletedUs });
      if (isNumber) numbers[index] = value as number;
      else others[index] = value;
    }
  };
}

interface Question {
  readonly index: number;
  readonly partial: number;
  readonly statistic: Statistic;
  /** Where the window starts, and where what is not deleted of it does. */
  readonly windowUs: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly deletedUs: number;
}

/** The aggregate of a window in tiles: between two steps it stays what it is. */
function answerOf(entity: EntityRows, question: Question): AggregateValue {
  const { index, partial, statistic, windowUs, startUs, endUs, deletedUs } = question;
  const known = entity.answers[index];
  if (known !== undefined && known.startUs === startUs && known.endUs === endUs) return known.value;
  const { rows, tiles } = entity;
  const ofRows = statistic.partialOf(rows, rows.countBefore(startUs), rows.countBefore(endUs));
  const states = [ofRows];
  // Tiles are never of rows on both sides of a delete: what was before it went when they were made.
  tiles!.collect(partial, { fromUs: windowUs, toUs: endUs, deletedUs }, states);
  const value = statistic.summary(states.length === 1 ? ofRows : statistic.partial.merge(states));
  entity.remember(index, { startUs, endUs, value });
  return value;
}
