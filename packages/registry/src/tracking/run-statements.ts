import { type JsonValue, type MetricPoint, encodeNumbers } from "@millwright/contracts";
import type { Statement } from "@millwright/storage";
import { checkLabel } from "../names.ts";
import { type MetricColumns, encodeChunk } from "./metric-chunk.ts";
import { paramTexts } from "./param-texts.ts";
import { stepsBetween, summarizeSeries } from "./series-summary.ts";

const insertParam =
  "insert into registry_params (run, name, value, text, number) values (?, ?, ?, ?, ?) " +
  "on conflict (run, name) do update set value = excluded.value, text = excluded.text, number = excluded.number";
const later = (column: string): string =>
  `${column} = case when excluded.last_step >= registry_series.last_step then excluded.${column} else registry_series.${column} end`;
const beyond = (column: string, of: string, sign: "<" | ">"): string =>
  `${column} = case when registry_series.${of} is null or excluded.${of} ${sign} registry_series.${of} ` +
  `then excluded.${column} else registry_series.${column} end`;
const insertSeries =
  "insert into registry_series (run, name, points, nans, last_step, last_ms, last_value, last_exact, " +
  "min_value, min_step, max_value, max_step) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (run, name) do update set " +
  "points = registry_series.points + excluded.points, nans = registry_series.nans + excluded.nans, " +
  ["last_ms", "last_value", "last_exact", "last_step"].map(later).join(", ") +
  `, ${beyond("min_step", "min_value", "<")}, ${beyond("min_value", "min_value", "<")}` +
  `, ${beyond("max_step", "max_value", ">")}, ${beyond("max_value", "max_value", ">")}`;
const insertChunk =
  "insert into registry_chunks (series, points, min_step, max_step, data) " +
  "values ((select id from registry_series where run = ? and name = ?), ?, ?, ?, ?)";

/** A point as it was logged. */
export interface LoggedPoint {
  readonly name: string;
  readonly step: number;
  readonly timeMs: number;
  readonly value: number;
}

/** How a param is stored. Throws `REGISTRY_NAME_INVALID`, TypeError for what JSON cannot carry. */
export function paramJson(name: string, value: JsonValue): string {
  checkLabel("a parameter", name);
  const json = value === undefined ? undefined : (JSON.stringify(encodeNumbers(value)) as string | undefined);
  if (json === undefined) throw new TypeError(`The parameter "${name}" is ${typeof value}; JSON cannot carry that.`);
  return json;
}

/** A point that can be stored. Throws `REGISTRY_NAME_INVALID`, TypeError, RangeError. @param nowMs Its time, where it has none. */
export function loggedPoint({ name, value, step, timeMs }: MetricPoint, nowMs: number): LoggedPoint {
  checkLabel("a metric", name);
  if (typeof value !== "number") throw new TypeError(`The metric "${name}" is ${typeof value}, not a number.`);
  if (!Number.isSafeInteger(step)) throw new RangeError(`The step of the metric "${name}" is ${step}, not an integer.`);
  if (timeMs !== undefined && !Number.isFinite(timeMs))
    throw new RangeError(`The time of the metric "${name}" is ${timeMs}.`);
  return { name, value, step, timeMs: timeMs ?? nowMs };
}

/** Params and points of one run as statements of one transaction. @param params JSON by name. */
export function statementsOf(
  run: string,
  params: ReadonlyMap<string, string>,
  points: readonly LoggedPoint[],
): readonly Statement[] {
  const series = [...columnsByName(points)].map(([name, columns]) => ({
    name,
    columns,
    summary: summarizeSeries(columns),
  }));
  return [
    {
      sql: insertParam,
      rows: [...params].map(([name, value]) => {
        const { text, number } = paramTexts(value);
        return [run, name, value, text, number];
      }),
    },
    {
      sql: insertSeries,
      rows: series.map(({ name, summary: of }) => [
        run,
        name,
        of.points,
        of.nans,
        of.last_step,
        of.last_ms,
        of.last_value,
        of.last_exact,
        of.min_value,
        of.min_step,
        of.max_value,
        of.max_step,
      ]),
    },
    {
      sql: insertChunk,
      rows: series.map(({ name, columns }) => {
        const { min_step, max_step } = stepsBetween(columns);
        return [run, name, columns.steps.length, min_step, max_step, encodeChunk(columns)];
      }),
    },
  ].filter(({ rows }) => rows.length > 0);
}

function columnsByName(points: readonly LoggedPoint[]): ReadonlyMap<string, MetricColumns> {
  const byName = new Map<string, LoggedPoint[]>();
  for (const point of points) {
    const list = byName.get(point.name);
    if (list === undefined) byName.set(point.name, [point]);
    else list.push(point);
  }
  const columns = new Map<string, MetricColumns>();
  for (const [name, list] of byName) {
    columns.set(name, {
      steps: Float64Array.from(list, ({ step }) => step),
      timesMs: Float64Array.from(list, ({ timeMs }) => timeMs),
      values: Float64Array.from(list, ({ value }) => value),
    });
  }
  return columns;
}
