import {
  type Batch,
  type Clock,
  type FeatureRequest,
  type FeatureSource,
  featureServiceUnknown,
  systemClock,
} from "@millwright/contracts";
import { columnOf, emptyBatch, isNull, takeRows } from "@millwright/data";
import type { FeatureService } from "../definition/service-definition.ts";
import { vectorsOfAnswer } from "../feast/answer.ts";
import { feastRefused, feastUnreachable } from "../feast/errors.ts";
import { featuresOfService } from "../feast/wanted.ts";
import { columnText, feastColumnWriter } from "../http/column-text.ts";
import { checkBatch } from "../definition/source-columns.ts";

export interface FeastFeatureSourceOptions {
  /** The address of the feature server, such as `http://127.0.0.1:6566`. */
  readonly url: string;
  /** What is read there, with the names, keys and types that the server has; `definitionsOfFeastRegistry` makes them of its registry. */
  readonly services: readonly FeatureService[];
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Sent with each request, such as `authorization`. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long an answer may take, milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Tells the age of rows. Default: the system's. */
  readonly clock?: Clock | undefined;
}

/**
 * Reads features from a Feast server by its HTTP API. A server of Feast answers with the newest rows whatever `timeMs` says, so that it only
 * tells the age; rows past a view's time to live are `expired` here even where the server gives them. Nothing is held open.
 * Reads throw `PORT_FEATURE_SERVICE_UNKNOWN`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`, `FEATURE_STORE_FEAST_UNREACHABLE`,
 * `FEATURE_STORE_FEAST_REFUSED`, `FEATURE_STORE_FEAST_ANSWER_INVALID`.
 */
export function openFeastFeatureSource(options: FeastFeatureSourceOptions): FeatureSource {
  const services = new Map(options.services.map((service) => [service.name, service]));
  const { clock = systemClock } = options;
  const serviceOf = (name: string): FeatureService => {
    const found = services.get(name);
    if (found === undefined) throw featureServiceUnknown(name, [...services.keys()]);
    return found;
  };
  return {
    async describe(service, { signal } = {}) {
      signal?.throwIfAborted();
      const { name, digest, entityKeys, requestInputs, features } = serviceOf(service);
      return { name, digest, entityKeys, requestInputs, features };
    },
    async read(name, request) {
      request.signal?.throwIfAborted();
      const service = serviceOf(name);
      checkBatch("The entities", service.entityKeys, request.entities);
      if (request.request !== undefined) checkBatch("The request inputs", service.requestInputs, request.request);
      const timeMs = request.timeMs ?? clock.nowMs();
      const rows = wholeRows(service, request.entities);
      if (rows.length === 0) return withoutRows(service, request.entities.length);
      const body = requestText(service, request, rows);
      const text = await post(options, body, request.signal);
      const rowOf = new Array<number>(request.entities.length).fill(-1);
      rows.forEach((row, at) => (rowOf[row] = at));
      return vectorsOfAnswer(service, { url: options.url, text, rowOf, timeMs });
    },
  };
}

/** The rows that have all their keys: Feast's server fails over others, which nobody has. */
function wholeRows({ entityKeys }: FeatureService, entities: Batch): readonly number[] {
  const keys = entityKeys.map(({ name }) => columnOf(entities, name));
  return Array.from({ length: entities.length }, (_, row) => row).filter((row) =>
    keys.every((column) => !isNull(column, row)),
  );
}

function withoutRows(service: FeatureService, length: number): Awaited<ReturnType<FeatureSource["read"]>> {
  const rowOf = new Array<number>(length).fill(-1);
  const { columns } = emptyBatch(service.features);
  if (length === 0) {
    const none = { status: [], ageMs: new Float64Array(0) };
    return {
      features: { length: 0, columns },
      views: Object.fromEntries(service.views.map(({ name }) => [name, none])),
    };
  }
  const nothing = { values: [], statuses: [], event_timestamps: [] };
  const names = featuresOfService(service).map(({ fullName }) => fullName);
  const text = JSON.stringify({ results: names.map(() => nothing), metadata: { feature_names: names } });
  return vectorsOfAnswer(service, { url: "", text, rowOf, timeMs: 0 });
}

function requestText(service: FeatureService, { entities, request }: FeatureRequest, rows: readonly number[]): string {
  const references = [
    ...service.views.flatMap(({ name, featureNames }) => featureNames.map((feature) => `${name}:${feature}`)),
    ...service.onDemand.flatMap(({ name, featureNames }) => featureNames.map((feature) => `${name}:${feature}`)),
  ];
  const given = { length: entities.length, columns: { ...entities.columns, ...request?.columns } };
  checkBatch("The request inputs", service.requestInputs, given);
  const taken = takeRows(given, Int32Array.from(rows));
  const fields = new Map([...service.entityKeys, ...service.requestInputs].map((field) => [field.name, field]));
  const lists = [...fields.values()].map(
    ({ name, type }) => `${JSON.stringify(name)}:${columnText(feastColumnWriter(type), columnOf(taken, name))}`,
  );
  return `{"features":${JSON.stringify(references)},"full_feature_names":true,"entities":{${lists.join(",")}}}`;
}

async function post(
  { url, fetch = globalThis.fetch, headers = {}, timeoutMs = 10_000 }: FeastFeatureSourceOptions,
  body: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const address = `${url.replace(/\/$/, "")}/get-online-features`;
  let status: number;
  let text: string;
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    status = answer.status;
    text = await answer.text();
  } catch (error) {
    signal?.throwIfAborted();
    const problem = timeout.aborted ? `it took more than ${timeoutMs} ms` : messageOf(error);
    throw feastUnreachable(url, problem, error);
  }
  if (status !== 200) throw feastRefused(url, status, sayingOf(text));
  return text;
}

/** What fetch says is "fetch failed"; why is in its cause. */
const messageOf = (error: unknown): string =>
  error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);

/** The message in the body of an error: JSON in a JSON string, or text. */
function sayingOf(text: string): string {
  let said: unknown = text;
  for (let depth = 0; depth < 2 && typeof said === "string"; depth++) {
    try {
      said = JSON.parse(said);
    } catch {
      break;
    }
  }
  const message = said !== null && typeof said === "object" && "message" in said ? said.message : said;
  return (typeof message === "string" ? message : JSON.stringify(message)).slice(0, 500);
}
