import type { IdSource } from "@millwright/contracts";
import { explanationHeader, explanationHeaderName } from "../explanations/prediction-explanation.ts";
import type { Prediction, Provenance } from "../engine/prediction.ts";
import { merged } from "../engine/merged.ts";
import type { Timings } from "../engine/timings.ts";
import { trailOf } from "./trail.ts";

type Headers = Record<string, string>;

/** A header may hold visible ASCII only; an id of a client's may hold anything. */
const isPlain = /^[\x21-\x7e]{1,256}$/;

/** Each model object is made once and answers many requests: what is told of it is put together once. */
const modelHeaders = new WeakMap<object, Map<string, Headers>>();

function headersOfModel(model: Provenance["model"], variant: string): Readonly<Headers> {
  let byVariant = modelHeaders.get(model);
  if (byVariant === undefined) modelHeaders.set(model, (byVariant = new Map()));
  let headers = byVariant.get(variant);
  if (headers === undefined) {
    const { name, version, digest } = model;
    headers = {
      "x-millwright-model": encodeURI(version === undefined ? name : `${name}/${version}`),
      "x-millwright-model-digest": digest,
      "x-millwright-variant": encodeURI(variant),
      "x-amzn-invoked-production-variant": encodeURI(variant),
    };
    byVariant.set(variant, headers);
  }
  return headers;
}

/** Where the answer comes from and where its time went, for logs and for callers who read headers alone. The caller may add to it. */
export function provenanceHeaders({ provenance, timings, explanation }: Prediction): Headers {
  const { requestId, variant, model, degraded, reused, features, traceparent } = provenance;
  const headers: Headers = merged(headersOfModel(model, variant), {});
  if (isPlain.test(requestId)) headers["x-request-id"] = requestId;
  if (traceparent !== undefined) headers["traceparent"] = traceparent;
  if (timings !== undefined) headers["server-timing"] = serverTiming(timings);
  if (features !== undefined) addFreshness(headers, features.views);
  if (reused !== undefined) headers["x-millwright-reused"] = reused;
  if (degraded !== undefined) headers["x-millwright-degraded"] = encodeURI(degraded.reason);
  if (explanation !== undefined) headers[explanationHeaderName] = explanationHeader(explanation);
  return headers;
}

/** The age of the oldest features, and that of each view, milliseconds: `late;age=120, weather;age=60000`. */
function addFreshness(headers: Headers, views: NonNullable<Provenance["features"]>["views"]): void {
  const ages = Object.entries(views).flatMap(([view, { oldestAgeMs }]) =>
    oldestAgeMs === undefined ? [] : [{ view: encodeURI(view), age: Math.round(oldestAgeMs) }],
  );
  if (ages.length === 0) return;
  headers["x-millwright-feature-age-ms"] = String(Math.max(...ages.map(({ age }) => age)));
  headers["x-millwright-feature-ages"] = ages.map(({ view, age }) => `${view};age=${age}`).join(", ");
}

/** The headers of an answer that is an error: the same, as far as it is known where the request got to. Every answer has an id. */
export function failureHeaders(
  headers: Readonly<Record<string, string | undefined>>,
  ids: IdSource,
): Readonly<Headers> {
  const trail = trailOf(headers);
  const asked = headers["x-request-id"];
  const requestId = trail?.requestId ?? (asked !== undefined && isPlain.test(asked) ? asked : ids.next());
  const told: Headers = trail?.model === undefined ? {} : merged(headersOfModel(trail.model, trail.variant ?? ""), {});
  if (isPlain.test(requestId)) told["x-request-id"] = requestId;
  if (trail?.traceparent !== undefined) told["traceparent"] = trail.traceparent;
  if (trail?.timings !== undefined) told["server-timing"] = serverTiming(trail.timings);
  return told;
}

/** As `Server-Timing` (W3C) has it, milliseconds: parts that did not happen are left out, and `total` is the sum of all. */
export function serverTiming(timings: Timings): string {
  const { queueMs, featuresMs, preprocessMs, batchWaitMs, modelMs, postprocessMs } = timings;
  let text = "";
  if (queueMs > 0) text += `queue;dur=${millis(queueMs)}, `;
  if (featuresMs > 0) text += `features;dur=${millis(featuresMs)}, `;
  if (preprocessMs > 0) text += `preprocess;dur=${millis(preprocessMs)}, `;
  if (batchWaitMs > 0) text += `batch;dur=${millis(batchWaitMs)}, `;
  const totalMs = queueMs + featuresMs + preprocessMs + batchWaitMs + modelMs + postprocessMs;
  return `${text}model;dur=${millis(modelMs)}, postprocess;dur=${millis(postprocessMs)}, total;dur=${millis(totalMs)}`;
}

/** The texts of the first ten milliseconds, by the microsecond. Numbers that are no integers become text slowly, and the engine keeps the latest 16,000 texts: collecting garbage then copies them all. */
const keptTexts = 10_000;
const texts = Array.from<string | undefined>({ length: keptTexts });

function millis(ms: number): string {
  const micros = Math.round(ms * 1000);
  if (!(micros >= 0 && micros < keptTexts)) return String(micros / 1000);
  return (texts[micros] ??= String(micros / 1000));
}
