import { type Batch, unsupported } from "@millwright/contracts";
import { asFloat64, columnOf } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { deleteOutdated, eventTimeConflict, recordMissing } from "../errors.ts";
import { checkPut } from "../ingestion/gate-check.ts";
import type { Online, OnlineChange } from "../online/online.ts";
import { onlineRows } from "../online/online-rows.ts";
import type { OnlineMark, OnlineRow, OnlineValue } from "../online/online-store.ts";
import { isDelete } from "../online/kept-row.ts";
import { keyOf, shown } from "./record-key.ts";
import type { DeleteOptions, PutOptions, PutResult, RecordsContext, UpdateOptions } from "./record-types.ts";
import { outranks } from "../online/row-rank.ts";
import { batchOfGiven } from "../definition/given-rows.ts";
import { batchOfRows, checkBatch, type SourceRow, sourceSchema } from "../definition/source-columns.ts";

const nowUs = ({ clock }: RecordsContext): number => Math.round(clock.nowMs() * 1000);

export async function putRows(
  context: RecordsContext,
  view: FeatureView,
  given: Batch | readonly SourceRow[],
  { ttlMs, to = "both", signal }: PutOptions,
): Promise<PutResult> {
  const { online, hasOnline, journal } = context;
  signal?.throwIfAborted();
  if (ttlMs !== undefined && !(ttlMs > 0)) throw new RangeError(`ttlMs must be above 0, not ${ttlMs}.`);
  const where = `The rows put into the view "${view.name}"`;
  const batch = batchOfGiven(where, view, given);
  checkBatch(where, sourceSchema(view), batch);
  const writtenUs = nowUs(context);
  const failedRules = await gated(context, view, batch);
  const expiresUs = ttlMs === undefined ? undefined : expiryOf(view, batch, ttlMs);
  const rows = onlineRows(view, batch).map((row) =>
    ttlMs === undefined ? row : { ...row, expiresUs: row.timeUs + ttlMs * 1000 },
  );
  // What has expired already is of no use online.
  const fresh = rows.filter((row) => writtenUs < (row.expiresUs ?? row.timeUs + (view.ttlMs ?? Infinity) * 1000));
  const goesOnline = to !== "history" && hasOnline;
  const newest = goesOnline ? await countNewest(online, view, fresh) : 0;
  const isOffline = goesOnline ? undefined : true;
  const mark =
    to === "online"
      ? undefined
      : await (await journal(view)).append({ batch, writtenUs, expiresUs, failedRules, isOffline });
  if (goesOnline) await online.add(view, fresh, signal, mark);
  return { rows: rows.length, newest, skippedRows: batch.length - rows.length };
}

/** Throws `FEATURE_STORE_GATE_REFUSED`. */
async function gated(
  { clock, gateOf }: RecordsContext,
  view: FeatureView,
  batch: Batch,
): Promise<(string | null)[] | undefined> {
  const gate = gateOf(view);
  return gate === undefined ? undefined : await checkPut(view, gate, batch, clock.nowMs());
}

/** @returns the changed row. */
export async function updateRecord(
  context: RecordsContext,
  view: FeatureView,
  keys: SourceRow,
  { patch, eventTimeMs, ifEventTimeMs, signal }: UpdateOptions & { readonly patch: SourceRow },
): Promise<OnlineRow> {
  const { online, journal } = context;
  refuseAggregates(view, "Changing a record");
  checkPatch(view, patch);
  const key = keyOf(view, keys);
  const now = nowUs(context);
  const decide = (newest: OnlineRow | undefined): OnlineChange => {
    const current = standing(view, newest, now);
    if (ifEventTimeMs !== undefined && current?.timeUs !== Math.round(ifEventTimeMs * 1000))
      throw eventTimeConflict(view.name, ifEventTimeMs, current === undefined ? undefined : current.timeUs / 1000);
    if (current === undefined) throw recordMissing(view.name, shown(keys));
    const timeUs = eventTimeMs === undefined ? Math.max(now, current.timeUs + 1) : Math.round(eventTimeMs * 1000);
    // An earlier record would be historic: it must be put as a whole.
    if (timeUs <= current.timeUs) throw eventTimeConflict(view.name, timeUs / 1000, current.timeUs / 1000);
    return { row: patched(view, current, patch, timeUs) };
  };
  const keep = async ({ row }: OnlineChange): Promise<OnlineMark> => {
    const batch = batchOfRows(`The patch of a record in "${view.name}"`, view, [sourceRow(view, keys, row!)]);
    const failedRules = await gated(context, view, batch);
    const expiresUs = row!.expiresUs === undefined ? undefined : [row!.expiresUs];
    return await (await journal(view)).append({ batch, writtenUs: now, expiresUs, failedRules });
  };
  const { row } = await online.change(view, key, { decide, before: keep, signal });
  return row!;
}

export async function deleteRecord(
  context: RecordsContext,
  view: FeatureView,
  keys: SourceRow,
  { eventTimeMs, hard = false, signal }: DeleteOptions,
): Promise<void> {
  const { online, hasOnline, journal } = context;
  const hasWindows = Object.keys(view.aggregates).length > 0;
  const key = keyOf(view, keys);
  const writtenUs = nowUs(context);
  const timeUs = eventTimeMs === undefined ? writtenUs : Math.round(eventTimeMs * 1000);
  const marker: OnlineRow = {
    key,
    timeUs,
    createdUs: null,
    inputs: [],
    values: Object.keys(view.features).map(() => null),
    isDeleted: true,
  };
  const mark = async (): Promise<OnlineMark> => {
    const batch = batchOfRows(`A delete in "${view.name}"`, view, [sourceRow(view, keys, marker)]);
    const isOffline = hasOnline ? undefined : true;
    return await (await journal(view)).append({ batch, writtenUs, isDeleted: true, isOffline });
  };
  if (!hasOnline) return void (await mark());
  const decide = (newest: OnlineRow | undefined): OnlineChange => {
    const isLater = newest === undefined || timeUs > newest.timeUs;
    if (hard && !isLater) throw deleteOutdated(view.name, timeUs / 1000, newest.timeUs / 1000);
    // Windows leave out what is before a delete, however late that comes: it stands online as in the history.
    if (hasWindows) return hard ? { removedUs: timeUs, row: marker } : { row: marker };
    if (!isLater) return {};
    return hard ? { removedUs: timeUs } : { row: marker };
  };
  await online.change(view, key, { decide, before: mark, signal });
}

/** How many rows, put in this order, leave their entity with another newest row, counting each entity's last. */
async function countNewest(online: Online, view: FeatureView, rows: readonly OnlineRow[]): Promise<number> {
  const keys = [...new Set(rows.map(({ key }) => key))];
  const newest = new Map<string, { readonly row: OnlineRow; readonly isNew: boolean }>();
  (await online.newest(view, keys)).forEach((row, index) => {
    if (row !== undefined) newest.set(keys[index]!, { row, isNew: false });
  });
  for (const row of rows) {
    const current = newest.get(row.key);
    if (current === undefined || outranks(view, row, current.row)) newest.set(row.key, { row, isNew: true });
  }
  return [...newest.values()].filter(({ isNew }) => isNew).length;
}

function expiryOf(view: FeatureView, batch: Batch, ttlMs: number): (number | null)[] {
  return Array.from(asFloat64(columnOf(batch, view.eventTime)), (us) => (Number.isNaN(us) ? null : us + ttlMs * 1000));
}

/** The newest row, unless it is a delete or has expired. */
function standing(view: FeatureView, newest: OnlineRow | undefined, nowUs: number): OnlineRow | undefined {
  if (newest === undefined || isDelete(view, newest)) return undefined;
  const expiresUs = newest.expiresUs ?? newest.timeUs + (view.ttlMs ?? Infinity) * 1000;
  return nowUs >= expiresUs ? undefined : newest;
}

/** The record with some features changed. The time to live goes with it: as long from its new event time as from its old. */
function patched(view: FeatureView, current: OnlineRow, patch: SourceRow, timeUs: number): OnlineRow {
  const values = Object.keys(view.features).map((name, index): OnlineValue =>
    Object.hasOwn(patch, name) ? onlineValue(patch[name]) : (current.values[index] ?? null),
  );
  const { expiresUs, ...rest } = current;
  return {
    ...rest,
    timeUs,
    createdUs: view.createdTime === undefined ? null : timeUs,
    values,
    ...(expiresUs === undefined ? {} : { expiresUs: expiresUs - current.timeUs + timeUs }),
  };
}

const onlineValue = (value: SourceRow[string]): OnlineValue =>
  value instanceof Date ? BigInt(value.getTime()) * 1000n : (value ?? null);

/** The columns that a view reads, of a row as it is kept online, without inputs. */
function sourceRow(view: FeatureView, keys: SourceRow, row: OnlineRow): SourceRow {
  const features = Object.keys(view.features).map((name, index) => [name, row.values[index] ?? null] as const);
  return {
    ...Object.fromEntries(Object.keys(view.inputs).map((name) => [name, null])),
    ...Object.fromEntries(features),
    ...Object.fromEntries(Object.keys(view.entity.keys).map((name) => [name, keys[name]])),
    [view.eventTime]: BigInt(row.timeUs),
    ...(view.createdTime === undefined
      ? {}
      : { [view.createdTime]: row.createdUs === null ? null : BigInt(row.createdUs) }),
    ...(view.deleted === undefined ? {} : { [view.deleted]: row.isDeleted === true }),
    ...(view.retracted === undefined ? {} : { [view.retracted]: false }),
  };
}

function checkPatch(view: FeatureView, patch: SourceRow): void {
  for (const name of Object.keys(patch)) {
    if (!Object.hasOwn(view.features, name)) {
      throw new RangeError(
        `"${name}" is no feature of the view "${view.name}". Features: ${Object.keys(view.features).join(", ")}.`,
      );
    }
  }
}

function refuseAggregates(view: FeatureView, what: string): void {
  if (Object.keys(view.aggregates).length > 0) {
    throw unsupported(`${what} of "${view.name}", a view with aggregates,`, "Put the events that change it instead.");
  }
}
