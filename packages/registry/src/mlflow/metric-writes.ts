import type { Statement } from "@millwright/storage";
import { decodeChunk } from "../tracking/metric-chunk.ts";
import { readMetricValue, storeMetricValue } from "../tracking/metric-value.ts";
import { type LoggedPoint, statementsOf } from "../tracking/run-statements.ts";
import type { Fields } from "./fields.ts";
import { invalid } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";
import { checkKey } from "./validation.ts";

type Read = MlflowScope["database"]["read"];

/** A point of MLflow: it may be of a model and of a dataset too. */
export interface MlflowPoint extends LoggedPoint {
  readonly model: string | undefined;
  readonly dataset: string;
  readonly datasetDigest: string;
}

/** Throws a refusal. */
export function pointOf(fields: Fields): MlflowPoint {
  const name = fields.present("key");
  checkKey("metric", name);
  const timeMs = fields.integer("timestamp");
  if (timeMs < 0)
    throw invalid(`Got invalid timestamp ${timeMs} for metric '${name}' (must be a nonnegative long integer).`);
  return {
    name,
    value: fields.double("value"),
    timeMs,
    step: fields.optionalInteger("step") ?? 0,
    model: fields.optionalText("model_id") || undefined,
    dataset: fields.optionalText("dataset_name") ?? "",
    datasetDigest: fields.optionalText("dataset_digest") ?? "",
  };
}

/** What the run has of a series, as far as a new point has to know. */
interface KnownSeries {
  readonly id: number;
  readonly last: LoggedPoint;
}

/**
 * Points as statements of one transaction. A point that is there already is not written again; of a series the last is the greatest
 * (step, time, value), whatever came later.
 */
export async function metricStatements(
  read: Read,
  run: string,
  points: readonly MlflowPoint[],
): Promise<readonly Statement[]> {
  if (points.length === 0) return [];
  const known = await knownSeries(read, run, [...new Set(points.map(({ name }) => name))]);
  const added = await withoutRepeated(read, known, points);
  const statements = [...statementsOf(run, new Map(), added.toSorted(compare))];
  // The greatest point of these is not always greater than the one that was there: then that one stays the last.
  const greatest = new Map<string, LoggedPoint>();
  for (const point of added) {
    const other = greatest.get(point.name);
    if (other === undefined || compare(other, point) < 0) greatest.set(point.name, point);
  }
  const kept = [...greatest.values()].flatMap((point) => {
    const last = known.get(point.name)?.last;
    return last !== undefined && compare(last, point) > 0 ? [last] : [];
  });
  if (kept.length > 0) statements.push({ sql: restoreLast, rows: kept.map((point) => lastRow(run, point)) });
  return [...statements, ...modelStatements(run, points)];
}

const restoreLast =
  "update registry_series set last_step = ?, last_ms = ?, last_value = ?, last_exact = ? where run = ? and name = ?";

function lastRow(
  run: string,
  { name, step, timeMs, value }: LoggedPoint,
): Statement["rows"] extends undefined ? never : (string | number | null)[] {
  const stored = storeMetricValue(value);
  return [step, timeMs, stored.value, stored.exact, run, name];
}

/** By (step, time, value); NaN is taken for 0, as MLflow's server does. */
function compare(a: LoggedPoint, b: LoggedPoint): number {
  return a.step - b.step || a.timeMs - b.timeMs || sign(orZero(a.value), orZero(b.value));
}

const orZero = (value: number): number => (Number.isNaN(value) ? 0 : value);
const sign = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);

async function knownSeries(
  read: Read,
  run: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, KnownSeries>> {
  const known = new Map<string, KnownSeries>();
  for (let start = 0; start < names.length; start += 500) {
    const rows = await read
      .selectFrom("registry_series")
      .select(["id", "name", "last_step", "last_ms", "last_value", "last_exact"])
      .where("run", "=", run)
      .where("name", "in", names.slice(start, start + 500))
      .execute();
    for (const { id, name, last_step: step, last_ms, last_value: value, last_exact: exact } of rows)
      known.set(name, { id, last: { name, step, timeMs: last_ms ?? 0, value: readMetricValue({ value, exact }) } });
  }
  return known;
}

const keyOf = ({ step, timeMs, value }: Pick<LoggedPoint, "step" | "timeMs" | "value">): string =>
  `${step} ${timeMs} ${Object.is(value, -0) ? "-0" : value}`;

/** Points beyond the last one of their series are new; only for the others the series is looked through. */
async function withoutRepeated(
  read: Read,
  known: ReadonlyMap<string, KnownSeries>,
  points: readonly MlflowPoint[],
): Promise<MlflowPoint[]> {
  const doubtful = new Map<string, Set<number>>();
  for (const { name, step, timeMs } of points) {
    const series = known.get(name);
    if (series === undefined || step > series.last.step) continue;
    if (step === series.last.step && timeMs > series.last.timeMs) continue;
    doubtful.set(name, (doubtful.get(name) ?? new Set()).add(step));
  }
  const seen = new Map<string, Set<string>>();
  for (const [name, steps] of doubtful)
    seen.set(name, await pointsAt(read, (known.get(name) as KnownSeries).id, steps));
  return points.filter((point) => {
    const keys = seen.get(point.name) ?? new Set<string>();
    seen.set(point.name, keys);
    const key = keyOf(point);
    if (keys.has(key)) return false;
    keys.add(key);
    return true;
  });
}

async function pointsAt(read: Read, series: number, steps: ReadonlySet<number>): Promise<Set<string>> {
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  for (const step of steps) {
    least = Math.min(least, step);
    greatest = Math.max(greatest, step);
  }
  const chunks = await read
    .selectFrom("registry_chunks")
    .select("data")
    .where("series", "=", series)
    .where("min_step", "<=", greatest)
    .where("max_step", ">=", least)
    .execute();
  const keys = new Set<string>();
  for (const { data } of chunks) {
    const columns = decodeChunk(data);
    for (const [index, step] of columns.steps.entries()) {
      if (!steps.has(step)) continue;
      keys.add(keyOf({ step, timeMs: columns.timesMs[index] as number, value: columns.values[index] as number }));
    }
  }
  return keys;
}

const insertModelPoint =
  "insert into registry_logged_model_metrics (model, run, name, step, time_ms, value, exact, dataset, dataset_digest) " +
  "select id, ?, ?, ?, ?, ?, ?, ?, ? from registry_logged_models where id = ? and not exists (" +
  "select 1 from registry_logged_model_metrics as kept where kept.model = registry_logged_models.id and kept.run = ? and kept.name = ? " +
  "and kept.step = ? and kept.time_ms = ? and kept.dataset = ? and kept.dataset_digest = ? " +
  "and coalesce(kept.value, 0) = ? and coalesce(kept.exact, '') = ?)";

/** Of a model that is not here nothing is kept but the run's point. */
function modelStatements(run: string, points: readonly MlflowPoint[]): readonly Statement[] {
  const ofModels = points.filter(({ model }) => model !== undefined);
  if (ofModels.length === 0) return [];
  const rows = ofModels.map(({ model, name, step, timeMs, value, dataset, datasetDigest }) => {
    const { value: stored, exact } = storeMetricValue(value);
    const place = [run, name, step, timeMs];
    const added = [...place, stored, exact, dataset, datasetDigest, model as string];
    return [...added, ...place, dataset, datasetDigest, stored ?? 0, exact ?? ""];
  });
  return [{ sql: insertModelPoint, rows }];
}
