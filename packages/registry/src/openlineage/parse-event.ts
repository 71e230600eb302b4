import { canonicalJson } from "@millwright/contracts";
import { openLineageInvalid } from "../errors.ts";
import type { SaidEvent } from "../lineage/lineage-types.ts";
import type { OpenLineageEvent } from "./event-types.ts";
import { isUuid } from "./names.ts";

type Fields = Readonly<Record<string, unknown>>;

const types = new Set(["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]);

/** RFC 3339, with seconds and a zone, of any precision. */
const time = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

const longestName = 4000;
const mostDatasets = 10_000;

/**
 * Reads a value as an event of OpenLineage: what the specification demands must be there, what it does not know may. Facets are taken as they come, those of others too.
 * Throws `REGISTRY_OPENLINEAGE_INVALID`, which says where it is wrong.
 */
export function parseOpenLineageEvent(value: unknown): OpenLineageEvent {
  const event = objectAt(value, "the event");
  checkTime(event["eventTime"], "eventTime");
  textAt(event["producer"], "producer");
  if (event["schemaURL"] !== undefined) textAt(event["schemaURL"], "schemaURL");
  if (event["dataset"] !== undefined && event["run"] === undefined && event["job"] === undefined)
    checkDataset(event["dataset"], "dataset");
  else checkWork(event);
  checkTexts(event);
  return event as unknown as OpenLineageEvent;
}

/** A run of a job, or a job alone. */
function checkWork(event: Fields): void {
  if (event["run"] !== undefined) {
    const run = objectAt(event["run"], "run");
    if (typeof run["runId"] !== "string" || !isUuid(run["runId"])) throw refusal("run.runId", run["runId"], "a UUID");
    checkFacets(run["facets"], "run.facets");
    const { eventType } = event;
    if (eventType !== undefined && eventType !== null && !types.has(eventType as string))
      throw refusal("eventType", eventType, `one of ${[...types].join(", ")}`);
  }
  checkName(objectAt(event["job"], "job"), "job");
  checkFacets((event["job"] as Fields)["facets"], "job.facets");
  for (const side of ["inputs", "outputs"]) {
    const datasets = event[side] ?? [];
    if (!Array.isArray(datasets)) throw refusal(side, datasets, "a list of datasets");
    if (datasets.length > mostDatasets)
      throw refusal(side, `${datasets.length} datasets`, `at most ${mostDatasets} datasets`);
    for (const [index, dataset] of datasets.entries()) checkDataset(dataset, `${side}[${index}]`);
  }
}

function checkDataset(value: unknown, path: string): void {
  const dataset = objectAt(value, path);
  checkName(dataset, path);
  for (const facets of ["facets", "inputFacets", "outputFacets"]) checkFacets(dataset[facets], `${path}.${facets}`);
}

function checkName(named: Fields, path: string): void {
  for (const key of ["namespace", "name"]) textAt(named[key], `${path}.${key}`);
}

function checkFacets(value: unknown, path: string): void {
  if (value === undefined || value === null) return;
  for (const [name, facet] of Object.entries(objectAt(value, path)))
    if (facet !== null) objectAt(facet, `${path}.${name}`);
}

function checkTime(value: unknown, path: string): void {
  if (typeof value !== "string" || !time.test(value) || Number.isNaN(Date.parse(value)))
    throw refusal(path, value, "a time of RFC 3339 with a zone, such as 2026-01-31T12:00:00.000Z");
}

function objectAt(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refusal(path, value, "an object");
  return value as Fields;
}

function textAt(value: unknown, path: string): void {
  if (typeof value !== "string" || value === "" || value.length > longestName)
    throw refusal(path, value, `a text of 1 to ${longestName} characters`);
}

/** Databases keep no NUL and no half of a surrogate pair; JSON keeps both. */
function checkTexts(event: Fields): void {
  let text: string;
  try {
    text = canonicalJson(event);
  } catch (error) {
    throw openLineageInvalid("the event", `it is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (/\\u0000|\\ud[89a-f]|\p{Surrogate}/iu.test(text))
    throw openLineageInvalid("the event", "it has a NUL or half a surrogate pair in a text");
}

/** @param wanted What it has to be. */
function refusal(path: string, value: unknown, wanted: string): Error {
  const found = value === undefined ? "it is missing" : `it is ${shown(value)}`;
  return openLineageInvalid(path, `${found}, and has to be ${wanted}`);
}

function shown(value: unknown): string {
  const text = typeof value === "object" ? (Array.isArray(value) ? "a list" : "an object") : JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

const eventType = /^(?:run|study|trial|model|deployment|drift|slo|alert|pipeline|job|feature|budget|audit)\.[a-z.-]+$/;

/** What an event of ours says of lineage and of features: nothing else is taken from others. */
export const lineageData = ["made", "from", "sameAs", "experiment", "digest", "name", "version"] as const;
export const featureData = ["columns", "rowColumns", "features", "batchId", "rows"] as const;

/** The event of a log of Millwright's that a facet tells of. Throws `REGISTRY_OPENLINEAGE_INVALID`. */
export function parseToldEvent(facet: unknown, path: string): SaidEvent {
  const told = objectAt(facet, path);
  textAt(told["id"], `${path}.id`);
  checkTime(told["time"], `${path}.time`);
  if (typeof told["type"] !== "string" || !eventType.test(told["type"]))
    throw refusal(`${path}.type`, told["type"], "a type of event such as run.finished");
  if (told["subject"] !== undefined) textAt(told["subject"], `${path}.subject`);
  const said = objectAt(told["data"], `${path}.data`);
  const kept = [...lineageData, ...featureData].filter((key) => said[key] !== undefined);
  const data = Object.fromEntries(kept.map((key) => [key, said[key]]));
  for (const key of ["made", "from"]) {
    const entities = listAt(data[key] ?? [], `${path}.data.${key}`);
    for (const [index, entity] of entities.entries()) checkEntity(entity, `${path}.data.${key}[${index}]`);
  }
  for (const key of ["columns", "rowColumns"]) checkTextList(data[key] ?? [], `${path}.data.${key}`);
  for (const [name, sources] of Object.entries(objectAt(data["features"] ?? {}, `${path}.data.features`)))
    for (const source of listAt(sources, `${path}.data.features.${name}`))
      if (typeof source !== "string") checkTextList(source, `${path}.data.features.${name}`);
  const { id, type, subject, time: at } = told as unknown as SaidEvent;
  return { id, type, time: at, ...(subject === undefined ? {} : { subject }), data };
}

function listAt(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refusal(path, value, "a list");
  return value as readonly unknown[];
}

function checkTextList(value: unknown, path: string): void {
  for (const [index, each] of listAt(value, path).entries()) textAt(each, `${path}[${index}]`);
}

/** Throws `REGISTRY_OPENLINEAGE_INVALID` unless it has a kind, an id and maybe a name. */
export function checkEntity(value: unknown, path: string): void {
  const entity = objectAt(value, path);
  for (const key of ["kind", "id"]) textAt(entity[key], `${path}.${key}`);
  if (entity["name"] !== undefined) textAt(entity["name"], `${path}.name`);
}
