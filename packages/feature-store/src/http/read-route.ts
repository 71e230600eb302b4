import type { Batch, Column, FeatureStatus, FeatureVectors, Schema, ViewStatus } from "@millwright/contracts";
import { column, createIpcWriter } from "@millwright/data";
import type { FeatureService } from "../definition/service-definition.ts";
import type { FeatureStore } from "../feature-store.ts";
import type { CheckAccess } from "./access.ts";
import { arrowStream, batchOfArrow } from "./arrow-body.ts";
import { batchOfJson } from "./batch-body.ts";
import { columnWriter } from "./column-text.ts";
import { bodyInvalid, contentTypeUnsupported, shown } from "./errors.ts";
import { JsonBytes, utf8 } from "./json-bytes.ts";
import type { FaceSetting } from "./face-options.ts";
import { type HttpRequest, type HttpRoute, jsonObjectOf, jsonText, mediaType } from "./message.ts";
import { answerSchema, batchSchema, objectSchema, routeSchema } from "./schemas.ts";
import { nullWhereNaN } from "../windows/result-column.ts";
import { NUMBER_BYTES } from "./number-text.ts";
import { valueReaders } from "./value-readers.ts";

/** `POST /services/<name>/read`: features of entities, as JSON or Arrow, from JSON or Arrow. */
export function readRoute(
  store: Pick<FeatureStore, "read">,
  service: FeatureService,
  setting: FaceSetting,
  check: CheckAccess,
): HttpRoute {
  const { name, digest, entityKeys, requestInputs, features, views } = service;
  const write = answerWriter(service);
  const writeArrow = arrowWriter(service);
  const given = {
    entities: batchSchema(entityKeys),
    request: batchSchema(requestInputs),
    timeMs: { type: "number", description: "UTC milliseconds; the present where it is absent." },
  };
  const answer = answerSchema(
    features,
    views.map((view) => view.name),
  );
  return {
    method: "POST",
    path: `/services/${name}/read`,
    schema: routeSchema(
      `read-${name}`,
      `The features of "${name}" (${digest}) for entities, row by row.`,
      answer,
      objectSchema(given, requestInputs.length === 0 ? ["entities"] : ["entities", "request"]),
    ),
    handle: async (request) => {
      await check(request, "features:read", `feature-service/${name}`);
      const isArrow = wantsArrow(request);
      const { timeMs = setting.clock.nowMs(), ...rows } = requestOf(service, request, setting.maxBodyRows);
      const vectors = await store.read(name, { ...rows, timeMs, signal: request.signal });
      return isArrow
        ? { status: 200, contentType: arrowStream, body: writeArrow(vectors) }
        : jsonText(write(vectors, timeMs));
    },
  };
}

interface ReadBody {
  readonly entities: Batch;
  readonly request?: Batch;
  readonly timeMs?: number;
}

function requestOf(service: FeatureService, { headers, body }: HttpRequest, maxRows: number): ReadBody {
  const type = mediaType(headers["content-type"]);
  if (type === arrowStream) {
    const rows = batchOfArrow("The entities", body, maxRows);
    return { entities: rows, request: rows };
  }
  expectJson(type);
  const given = jsonObjectOf(body);
  const timeMs = given["timeMs"];
  if (timeMs !== undefined && !isTimeMs(timeMs)) {
    throw bodyInvalid(`timeMs is ${shown(timeMs)}`, "Send UTC milliseconds of the years 0000 to 9999, or nothing.");
  }
  const options = { readers: valueReaders, maxRows };
  const entities = batchOfJson(given["entities"], {
    ...options,
    where: "The entities",
    fields: service.entityKeys,
  });
  const time = timeMs === undefined ? {} : { timeMs };
  if (service.requestInputs.length === 0) return { entities, ...time };
  const where = "The request inputs";
  const request = batchOfJson(given["request"] ?? {}, { ...options, where, fields: service.requestInputs });
  if (request.length !== entities.length) {
    throw bodyInvalid(
      `there are ${entities.length} entities and ${request.length} rows of request inputs`,
      "Send one for each.",
    );
  }
  return { entities, request, ...time };
}

/** What JSON comes under where nobody said what it is: `fetch` and curl say these by themselves. */
const unsaid = new Set(["", "text/plain", "application/x-www-form-urlencoded"]);

/** Throws `FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED` for a content type that says something else than JSON. */
export function expectJson(type: string): void {
  if (unsaid.has(type) || type === "application/json" || type.endsWith("+json")) return;
  throw contentTypeUnsupported("content-type", type, `application/json or ${arrowStream}`);
}

/** Whether a value is a time in milliseconds of the years 0000 to 9999. */
export const isTimeMs = (value: unknown): value is number =>
  typeof value === "number" && value >= -62_167_219_200_000 && value <= 253_402_300_799_999;

/** The first of the two that `Accept` names counts; what names neither gets JSON. */
function wantsArrow({ headers }: HttpRequest): boolean {
  const types = (headers["accept"] ?? "").split(",").map((each) => mediaType(each));
  const first = types.find((type) => type === arrowStream || type === "application/json");
  return first === arrowStream;
}

/** Each status as JSON. */
const statusTexts: Readonly<Record<FeatureStatus, Uint8Array>> = {
  present: utf8('"present"'),
  missing: utf8('"missing"'),
  expired: utf8('"expired"'),
  deleted: utf8('"deleted"'),
  stale: utf8('"stale"'),
  defaulted: utf8('"defaulted"'),
};
const comma = utf8(",");
const writeAges = columnWriter("float64");

/** @returns what writes the service's answers: the bytes between the values are made once, and each column has its writer. */
export function answerWriter(service: FeatureService): (vectors: FeatureVectors, timeMs: number) => Uint8Array {
  const head = utf8(`{"service":${JSON.stringify(service.name)},"digest":${JSON.stringify(service.digest)},"timeMs":`);
  const named = (name: string, at: number, text = ""): Uint8Array =>
    utf8(`${at === 0 ? "" : ","}${JSON.stringify(name)}:${text}`);
  const features = service.features.map(({ name, type }, at) => ({
    name,
    before: named(name, at),
    write: columnWriter(type),
  }));
  const views = service.views.map(({ name }, at) => ({ name, before: named(name, at, '{"status":[') }));
  const baseBytes = [...features, ...views].reduce((sum, { before }) => sum + before.length, head.length + 256);
  // About what numbers and statuses take; columns of text may need more.
  const rowBytes = features.length * 22 + views.length * 32 + NUMBER_BYTES;
  return ({ features: batch, views: statuses }, timeMs) => {
    const to = new JsonBytes(baseBytes + batch.length * rowBytes);
    to.put(head);
    to.text(`${timeMs},"length":${batch.length},"features":{`);
    for (const { name, before, write } of features) {
      to.put(before);
      write(batch.columns[name]!, to);
    }
    to.text('},"views":{');
    for (const { name, before } of views) {
      to.put(before);
      writeStatus(statuses[name]!, to);
    }
    to.text("}}");
    return to.done();
  };
}

function writeStatus({ status, ageMs }: ViewStatus, to: JsonBytes): void {
  for (let row = 0; row < status.length; row++) {
    if (row > 0) to.put(comma);
    to.put(statusTexts[status[row]!]);
  }
  to.text('],"ageMs":');
  // What has no age is NaN, and null here.
  writeAges(nullWhereNaN(ageMs), to);
  to.text("}");
}

/**
 * What writes answers in Arrow: the features, and by view the columns `<view>.status` and `<view>.ageMs`, null where there is no row.
 */
export function arrowWriter({ features, views }: FeatureService): (vectors: FeatureVectors) => Uint8Array {
  const status = views.flatMap(({ name }): Schema => [
    { name: `${name}.status`, type: "utf8" },
    { name: `${name}.ageMs`, type: "float64" },
  ]);
  const write = createIpcWriter([...features, ...status]);
  return ({ features: batch, views: statuses }) => {
    const columns: Record<string, Column> = { ...batch.columns };
    for (const { name } of views) {
      const { status: each, ageMs } = statuses[name]!;
      columns[`${name}.status`] = column("utf8", each);
      columns[`${name}.ageMs`] = nullWhereNaN(ageMs);
    }
    return write({ length: batch.length, columns });
  };
}
