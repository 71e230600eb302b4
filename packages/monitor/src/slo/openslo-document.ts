import { parseAllDocuments, stringify } from "yaml";
import type { JsonObject, JsonValue } from "@millwright/contracts";
import { openSloInvalid } from "../errors.ts";
import { shorthandMs } from "./openslo-duration.ts";

/** The kinds of OpenSLO v1. */
export type OpenSloKind =
  | "Service"
  | "SLO"
  | "SLI"
  | "DataSource"
  | "AlertPolicy"
  | "AlertCondition"
  | "AlertNotificationTarget";

/** One object of OpenSLO v1, as it stands in its file: also what nothing here reads is kept. */
export interface OpenSloDocument {
  readonly apiVersion: "openslo/v1";
  readonly kind: OpenSloKind;
  readonly metadata: OpenSloMetadata;
  readonly spec: JsonObject;
}

export interface OpenSloMetadata {
  readonly name: string;
  readonly displayName?: string | undefined;
  readonly labels?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

const kinds: readonly string[] = [
  "Service",
  "SLO",
  "SLI",
  "DataSource",
  "AlertPolicy",
  "AlertCondition",
  "AlertNotificationTarget",
];

/**
 * Reads a file of OpenSLO v1, of one document or several, each an object or a list of them. Throws `MONITOR_OPENSLO_INVALID` for YAML that is none, for other versions and kinds, and for what
 * breaks the specification, with the place.
 */
export function parseOpenSlo(text: string): readonly OpenSloDocument[] {
  if (typeof text !== "string") throw new TypeError("OpenSLO is read from a text.");
  const parsed = parseAllDocuments(text);
  const documents = Array.isArray(parsed) ? parsed : [];
  const read = documents.flatMap((document, index): readonly OpenSloDocument[] => {
    const place = `document ${index + 1}`;
    const [problem] = document.errors;
    if (problem !== undefined) throw openSloInvalid(place, `it is no YAML: ${problem.message.split("\n")[0] ?? ""}`);
    const value = toJson(document, place);
    // Lists of objects are read as the reference tool reads them; a separator at the end begins a document of nothing.
    if (Array.isArray(value)) return value.map((each, at) => checkDocument(each, `${place}, object ${at + 1}`));
    return value === null && documents.length > 1 ? [] : [checkDocument(value, place)];
  });
  if (read.length === 0) throw openSloInvalid("the file", "it holds no document");
  return read;
}

function toJson(document: { toJS(options: { readonly maxAliasCount: number }): unknown }, place: string): JsonValue {
  try {
    // A small file could grow without end by aliases.
    return document.toJS({ maxAliasCount: 0 }) as JsonValue;
  } catch {
    throw openSloInvalid(place, "it uses YAML aliases, which are not read here");
  }
}

/** Writes documents as one file of YAML. Throws `MONITOR_OPENSLO_INVALID`. */
export const formatOpenSlo = (documents: readonly OpenSloDocument[]): string =>
  documents
    .map((document, index) => checkDocument(document, `document ${index + 1}`))
    .map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join("---\n");

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function checkDocument(value: unknown, place: string): OpenSloDocument {
  if (!isFields(value)) throw openSloInvalid(place, "it is no object");
  const { apiVersion, kind } = value;
  if (apiVersion !== "openslo/v1")
    throw openSloInvalid(place, `its apiVersion is ${JSON.stringify(apiVersion)}, and "openslo/v1" is read here`);
  if (typeof kind !== "string" || !kinds.includes(kind))
    throw openSloInvalid(place, `the kind ${JSON.stringify(kind)} is none of ${kinds.join(", ")}`);
  for (const key of Object.keys(value))
    if (!["apiVersion", "kind", "metadata", "spec"].includes(key))
      throw openSloInvalid(place, `it has the unknown field "${key}"`);
  checkMetadata(value["metadata"], place);
  if (!isFields(value["spec"])) throw openSloInvalid(place, "its spec is no object");
  checkSpec(kind, value["spec"], place);
  return value as unknown as OpenSloDocument;
}

const namePattern = /^[a-z0-9](?:[-a-z0-9.|/\\]{0,253}[a-z0-9])?$/i;

function checkMetadata(metadata: unknown, place: string): void {
  if (!isFields(metadata) || typeof metadata["name"] !== "string" || !namePattern.test(metadata["name"]))
    throw openSloInvalid(
      place,
      "metadata.name must be up to 255 letters, digits and dashes, with a letter or digit at either end",
    );
  const { displayName, labels = {}, annotations = {} } = metadata;
  if (displayName !== undefined && typeof displayName !== "string")
    throw openSloInvalid(place, "metadata.displayName is no text");
  const isTexts = (each: unknown): boolean => Array.isArray(each) && each.every((text) => typeof text === "string");
  if (!isFields(labels) || !Object.values(labels).every((each) => typeof each === "string" || isTexts(each)))
    throw openSloInvalid(place, "metadata.labels are texts, or lists of texts, by name");
  if (!isFields(annotations) || !Object.values(annotations).every((each) => typeof each === "string"))
    throw openSloInvalid(place, "metadata.annotations are texts by name");
}

function checkSpec(kind: string, spec: Fields, place: string): void {
  const { description } = spec;
  if (description !== undefined && !(typeof description === "string" && description.length <= 1050))
    throw openSloInvalid(place, "spec.description is a text of at most 1050 characters");
  if (kind === "SLO") checkSlo(spec, place);
  if (kind === "SLI") checkIndicator(spec, `${place}: spec`);
  if (kind === "AlertCondition") checkCondition(spec, `${place}: spec`);
  if (kind === "AlertPolicy") checkPolicy(spec, `${place}: spec`);
  if (kind === "AlertNotificationTarget" && typeof spec["target"] !== "string")
    throw openSloInvalid(place, "spec.target is no text");
  if (kind === "DataSource" && typeof spec["type"] !== "string") throw openSloInvalid(place, "spec.type is no text");
}

function checkSlo(spec: Fields, place: string): void {
  const { service, indicator, indicatorRef, timeWindow, budgetingMethod, objectives } = spec;
  const alertPolicies = spec["alertPolicies"] ?? [];
  if (typeof service !== "string") throw openSloInvalid(place, "spec.service is no text");
  if ((indicator === undefined) === (indicatorRef === undefined))
    throw openSloInvalid(place, "spec has either an indicator or an indicatorRef");
  if (indicator !== undefined) {
    if (!isFields(indicator) || !isFields(indicator["spec"])) throw openSloInvalid(place, "spec.indicator has no spec");
    checkIndicator(indicator["spec"], `${place}: spec.indicator.spec`);
  }
  if (timeWindow !== undefined) checkWindow(timeWindow, place);
  const methods = ["Occurrences", "Timeslices", "RatioTimeslices"];
  if (typeof budgetingMethod !== "string" || !methods.includes(budgetingMethod))
    throw openSloInvalid(
      place,
      `spec.budgetingMethod is ${JSON.stringify(budgetingMethod)}, and one of ${methods.join(", ")} is needed`,
    );
  if (!Array.isArray(objectives) || objectives.length === 0)
    throw openSloInvalid(place, "spec.objectives is an empty list, or none");
  for (const [index, each] of objectives.entries())
    checkObjective(each, budgetingMethod, `${place}: spec.objectives[${index}]`);
  if (!Array.isArray(alertPolicies)) throw openSloInvalid(place, "spec.alertPolicies is no list");
  for (const [index, each] of alertPolicies.entries()) {
    const at = `${place}: spec.alertPolicies[${index}]`;
    if (isFields(each) && typeof each["alertPolicyRef"] === "string") continue;
    if (!isFields(each) || !isFields(each["spec"]))
      throw openSloInvalid(at, "it is neither an alertPolicyRef nor a policy");
    checkPolicy(each["spec"], `${at}.spec`);
  }
}

function checkWindow(timeWindow: unknown, place: string): void {
  if (!Array.isArray(timeWindow) || timeWindow.length !== 1)
    throw openSloInvalid(place, "spec.timeWindow holds exactly one window");
  const window: unknown = timeWindow[0];
  if (!isFields(window) || typeof window["duration"] !== "string" || shorthandMs(window["duration"]) === undefined)
    throw openSloInvalid(place, "the window's duration is no shorthand like 28d, 4w or 1M");
  const { isRolling, calendar } = window;
  if ((isRolling === true) === (calendar !== undefined))
    throw openSloInvalid(place, "a window is either rolling, or has a calendar");
  if (
    calendar !== undefined &&
    !(isFields(calendar) && typeof calendar["startTime"] === "string" && typeof calendar["timeZone"] === "string")
  )
    throw openSloInvalid(place, "a calendar has a startTime and a timeZone");
}

const isOperator = (op: unknown): boolean => op === "lte" || op === "gte" || op === "lt" || op === "gt";
const share = (value: unknown, most: number): boolean => typeof value === "number" && value >= 0 && value < most;

function checkObjective(objective: unknown, method: string, place: string): void {
  if (!isFields(objective)) throw openSloInvalid(place, "it is no object");
  const { target, targetPercent, op, value, timeSliceTarget, timeSliceWindow } = objective;
  if ((target === undefined) === (targetPercent === undefined))
    throw openSloInvalid(place, "it has either a target or a targetPercent");
  if (!(target === undefined ? share(targetPercent, 100) : share(target, 1)))
    throw openSloInvalid(place, "its target must be in [0, 1), or its targetPercent in [0, 100)");
  if (op !== undefined && !isOperator(op)) throw openSloInvalid(place, `its op is ${JSON.stringify(op)}`);
  if (value !== undefined && typeof value !== "number") throw openSloInvalid(place, "its value is no number");
  if (method === "Occurrences") return;
  if (method === "Timeslices" && !(typeof timeSliceTarget === "number" && timeSliceTarget > 0 && timeSliceTarget <= 1))
    throw openSloInvalid(place, "time slices need a timeSliceTarget in (0, 1]");
  const isWindow =
    typeof timeSliceWindow === "number" ? timeSliceWindow > 0 : shorthandMs(String(timeSliceWindow)) !== undefined;
  if (!isWindow)
    throw openSloInvalid(place, "time slices need a timeSliceWindow, in minutes or as a shorthand like 5m");
}

function checkIndicator(spec: Fields, place: string): void {
  const { thresholdMetric, ratioMetric } = spec;
  if ((thresholdMetric === undefined) === (ratioMetric === undefined))
    throw openSloInvalid(place, "it has either a thresholdMetric or a ratioMetric");
  if (thresholdMetric !== undefined) return checkSource(thresholdMetric, `${place}.thresholdMetric`);
  if (!isFields(ratioMetric)) throw openSloInvalid(place, "its ratioMetric is no object");
  const { good, bad, total, raw, rawType } = ratioMetric;
  const at = `${place}.ratioMetric`;
  if (raw !== undefined) {
    if (rawType !== "success" && rawType !== "failure")
      throw openSloInvalid(at, "a raw ratio is of the rawType success or failure");
    return checkSource(raw, `${at}.raw`);
  }
  if (total === undefined || (good === undefined) === (bad === undefined))
    throw openSloInvalid(at, "it has a total, and either good or bad");
  checkSource(total, `${at}.total`);
  checkSource(good ?? bad, `${at}.${good === undefined ? "bad" : "good"}`);
}

function checkSource(metric: unknown, place: string): void {
  if (!isFields(metric) || !isFields(metric["metricSource"]) || !isFields(metric["metricSource"]["spec"]))
    throw openSloInvalid(place, "it has no metricSource with a spec");
}

function checkPolicy(spec: Fields, place: string): void {
  const { conditions, notificationTargets = [] } = spec;
  if (!Array.isArray(conditions) || conditions.length !== 1)
    throw openSloInvalid(place, "conditions holds exactly one");
  const condition: unknown = conditions[0];
  if (!(isFields(condition) && typeof condition["conditionRef"] === "string")) {
    if (!isFields(condition) || !isFields(condition["spec"]))
      throw openSloInvalid(place, "its condition is neither a conditionRef nor a condition");
    checkCondition(condition["spec"], `${place}.conditions[0].spec`);
  }
  if (!Array.isArray(notificationTargets)) throw openSloInvalid(place, "notificationTargets is no list");
}

function checkCondition({ severity, condition }: Fields, place: string): void {
  if (typeof severity !== "string") throw openSloInvalid(place, "its severity is no text");
  if (!isFields(condition)) throw openSloInvalid(place, "it has no condition");
  const { kind = "burnrate", op, threshold, lookbackWindow, alertAfter = "1m" } = condition;
  if (kind !== "burnrate")
    throw openSloInvalid(place, `conditions of the kind ${JSON.stringify(kind)} are not known, only burnrate`);
  if (!isOperator(op)) throw openSloInvalid(place, `its op is ${JSON.stringify(op)}`);
  if (typeof threshold !== "number") throw openSloInvalid(place, "its threshold is no number");
  const isAfter = alertAfter === "0m" || shorthandMs(String(alertAfter)) !== undefined;
  if (shorthandMs(String(lookbackWindow)) === undefined || !isAfter)
    throw openSloInvalid(place, "lookbackWindow and alertAfter are shorthands like 1h and 5m");
}
