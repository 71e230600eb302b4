import { isMillwrightError } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { OnlineReading } from "../online/online-view.ts";
import { keyOf } from "./record-key.ts";
import type { FeatureRecord, RecordOutcome, Records, RecordsContext } from "./record-types.ts";
import { deleteRecord, putRows, updateRecord } from "./record-writes.ts";

export function createRecords(context: RecordsContext): Records {
  const { online, clock } = context;
  const get: Records["get"] = async (view, keys, { features, timeMs = clock.nowMs(), signal }) => {
    signal?.throwIfAborted();
    const timeUs = Math.round(timeMs * 1000);
    return recordOf(view, await online.readOne(view, keyOf(view, keys), timeUs, { signal }), timeUs, features);
  };
  return {
    get,
    put: (view, rows, options) => putRows(context, view, rows, options),
    async update(view, keys, patch, options) {
      const { timeUs, values, expiresUs } = await updateRecord(context, view, keys, { patch, ...options });
      return recordOf(view, { status: "present", ageMs: 0, values, expiresUs }, timeUs);
    },
    delete: (view, keys, options) => deleteRecord(context, view, keys, options),
    async getMany(requests, viewOf, { maxRecords = 100, timeMs, signal }) {
      signal?.throwIfAborted();
      if (!Array.isArray(requests)) throw new TypeError("getMany takes a list of requests.");
      return await Promise.all(
        requests.map(async ({ view, keys, features }, index): Promise<RecordOutcome> => {
          if (index >= maxRecords) return { status: "unprocessed" };
          try {
            return await get(viewOf(view), keys, { features, timeMs });
          } catch (error) {
            if (!isMillwrightError(error)) throw error;
            return { status: "error", error };
          }
        }),
      );
    },
  };
}

function recordOf(
  view: FeatureView,
  { status, ageMs, values, expiresUs }: OnlineReading,
  timeUs: number,
  wanted: readonly string[] = Object.keys(view.features),
): FeatureRecord {
  const names = Object.keys(view.features);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`"${unknown}" is no feature of the view "${view.name}". Features: ${names.join(", ")}.`);
  }
  const found = values === undefined ? [] : wanted.map((name) => [name, values[names.indexOf(name)] ?? null] as const);
  return {
    status,
    values: Object.fromEntries(found),
    ...(Number.isNaN(ageMs) ? {} : { eventTimeMs: timeUs / 1000 - ageMs }),
    ...(expiresUs === undefined || !Number.isFinite(expiresUs) ? {} : { expiresAtMs: expiresUs / 1000 }),
  };
}
