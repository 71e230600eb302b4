import type { Batch } from "@millwright/contracts";
import { asFloat64, columnOf } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import type { FeatureStore } from "../feature-store.ts";
import { checkBatch, sourceSchema } from "../definition/source-columns.ts";
import type { CheckAccess } from "./access.ts";
import { arrowStream, batchOfArrow } from "./arrow-body.ts";
import { batchOfJson } from "./batch-body.ts";
import { bodyInvalid, shown, valueInvalid } from "./errors.ts";
import type { FaceSetting } from "./face-options.ts";
import { type HttpRequest, type HttpRoute, json, jsonObjectOf, mediaType } from "./message.ts";
import { expectJson, isTimeMs } from "./read-route.ts";
import { batchSchema, countsSchema, objectSchema, routeSchema } from "./schemas.ts";
import { valueReaders } from "./value-readers.ts";

/** `POST /views/<name>/push` and `POST /views/<name>/materialize`. */
export function writeRoutes(
  store: Pick<FeatureStore, "push" | "materialize">,
  view: FeatureView,
  setting: FaceSetting,
  check: CheckAccess,
): readonly HttpRoute[] {
  const { name } = view;
  const resource = `feature-view/${name}`;
  const fields = sourceSchema(view);
  const rows = objectSchema({ rows: batchSchema(fields), columns: batchSchema(fields) }, []);
  return [
    {
      method: "POST",
      path: `/views/${name}/push`,
      schema: routeSchema(
        `push-${name}`,
        `Takes rows of "${name}" for online reads.`,
        countsSchema("rows", "skippedRows"),
        rows,
      ),
      handle: async (request) => {
        await check(request, "features:push", resource);
        const batch = pushedRows(view, request, setting.maxBodyRows);
        checkNotAhead(view, batch, setting);
        return json(await store.push(name, batch, { signal: request.signal }));
      },
    },
    {
      method: "POST",
      path: `/views/${name}/materialize`,
      schema: routeSchema(
        `materialize-${name}`,
        `Loads the online rows of "${name}" from its history.`,
        countsSchema("rows", "keptRows"),
        objectSchema(
          { upToMs: { type: "number", description: "UTC milliseconds; the present where it is absent." } },
          [],
        ),
      ),
      handle: async (request) => {
        await check(request, "features:materialize", resource);
        const upToMs = upToOf(request, setting.clock.nowMs());
        return json(await store.materialize(name, { upToMs, signal: request.signal }));
      },
    },
  ];
}

function pushedRows(view: FeatureView, { headers, body }: HttpRequest, maxRows: number): Batch {
  const where = `The rows pushed to the view "${view.name}"`;
  const fields = sourceSchema(view);
  const type = mediaType(headers["content-type"]);
  if (type === arrowStream) {
    const batch = batchOfArrow(where, body, maxRows);
    checkBatch(where, fields, batch);
    return batch;
  }
  expectJson(type);
  const given = jsonObjectOf(body);
  const rows = given["rows"] ?? given["columns"];
  return batchOfJson(rows, { where, fields, readers: valueReaders, maxRows });
}

/** Throws `FEATURE_STORE_VALUE_INVALID` for a row of a future beyond `maxFutureMs`. */
export function checkNotAhead(
  view: FeatureView,
  batch: Batch,
  { clock, maxFutureMs }: Pick<FaceSetting, "clock" | "maxFutureMs">,
): void {
  const latestUs = (clock.nowMs() + maxFutureMs) * 1000;
  const times = asFloat64(columnOf(batch, view.eventTime));
  // NaN, where there is no time, is not above anything.
  const row = times.findIndex((us) => us > latestUs);
  if (row < 0) return;
  const where = `The rows pushed to the view "${view.name}"`;
  const latest = new Date(latestUs / 1000).toISOString();
  const wanted = `times up to ${latest}, or raise \`maxFutureMs\``;
  throw valueInvalid(where, view.eventTime, row, new Date(times[row]! / 1000).toISOString(), wanted);
}

function upToOf({ headers, body }: HttpRequest, nowMs: number): number {
  if (body.length === 0) return nowMs;
  expectJson(mediaType(headers["content-type"]));
  const { upToMs = nowMs } = jsonObjectOf(body);
  if (!isTimeMs(upToMs) || upToMs > nowMs) {
    throw bodyInvalid(
      `upToMs is ${shown(upToMs)}`,
      `Send UTC milliseconds up to the present (${nowMs}): history does not speak for the future.`,
    );
  }
  return upToMs;
}
