import type { JsonValue, MetricPoint } from "@millwright/contracts";
import { paramTexts } from "../tracking/param-texts.ts";
import { paramJson } from "../tracking/run-statements.ts";
import { mlflowValueInvalid } from "./client-errors.ts";
import type { KeyValue } from "./fields.ts";

/** A point as MLflow takes it. */
export interface MlflowMetric {
  readonly key: string;
  /** NaN and the infinities by their names: JSON has none. */
  readonly value: number | string;
  /** UTC, milliseconds. */
  readonly timestamp: number;
  readonly step: number;
}

const longestKey = 250;
const longestParam = 6000;
const longestTag = 8000;
const longestPath = 1024;

/** Throws `REGISTRY_MLFLOW_VALUE_INVALID` unless MLflow takes `key` for the name of a metric, a param or a tag. */
export function checkMlflowKey(what: string, key: string): string {
  const subject = `the ${what} ${JSON.stringify(key)}`;
  if (typeof key !== "string" || key === "") throw mlflowValueInvalid(subject, "its name is empty");
  if (key.length > longestKey) throw mlflowValueInvalid(subject, `its name has more than ${longestKey} characters`);
  if (!/^[/\w.\- :]*$/.test(key))
    throw mlflowValueInvalid(subject, "a name has letters of English, digits and _ - . : / and spaces");
  if (key.split("/").some((segment) => segment === "" || segment === "." || segment === ".."))
    throw mlflowValueInvalid(subject, "a name has no empty, . or .. part between its slashes");
  return key;
}

/** Params as texts: a text as it is, a number as its shortest decimal, anything else as JSON. Throws `REGISTRY_MLFLOW_VALUE_INVALID`, TypeError. */
export function mlflowParams(params: Readonly<Record<string, JsonValue>>): readonly KeyValue[] {
  return Object.entries(params).map(([name, given]) => {
    const key = checkMlflowKey("param", name);
    const { text: value } = paramTexts(paramJson(name, given));
    checkText(`the param "${name}"`, value);
    if (value.length > longestParam)
      throw mlflowValueInvalid(
        `the param "${name}"`,
        `its value has ${value.length} characters, and ${longestParam} is the most`,
      );
    return { key, value };
  });
}

/** No database keeps these. */
// oxlint-disable-next-line no-control-regex -- the zero character is what is looked for.
const unkept = /\u0000|\p{Surrogate}/u;

function checkText(what: string, value: string): void {
  if (unkept.test(value)) throw mlflowValueInvalid(what, "its value has a zero character or half of a surrogate pair");
}

/** Throws `REGISTRY_MLFLOW_VALUE_INVALID`. */
export function mlflowTags(tags: Readonly<Record<string, string | undefined>>): readonly KeyValue[] {
  return Object.entries(tags).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const key = checkMlflowKey("tag", name);
    if (typeof value !== "string")
      throw mlflowValueInvalid(`the tag "${name}"`, `its value is ${typeof value}, not a text`);
    checkText(`the tag "${name}"`, value);
    if (value.length > longestTag)
      throw mlflowValueInvalid(
        `the tag "${name}"`,
        `its value has ${value.length} characters, and ${longestTag} is the most`,
      );
    return [{ key, value }];
  });
}

/** Throws `REGISTRY_MLFLOW_VALUE_INVALID`, TypeError, RangeError. @param nowMs The time of a point that has none. */
export function mlflowMetric({ name, value, step, timeMs }: MetricPoint, nowMs: number): MlflowMetric {
  const key = checkMlflowKey("metric", name);
  if (typeof value !== "number") throw new TypeError(`The metric "${name}" is ${typeof value}, not a number.`);
  if (!Number.isSafeInteger(step)) throw new RangeError(`The step of the metric "${name}" is ${step}, not an integer.`);
  const timestamp = Math.round(timeMs ?? nowMs);
  if (!Number.isSafeInteger(timestamp) || timestamp < 0)
    throw mlflowValueInvalid(`the metric "${name}"`, `its time is ${timeMs}, and none lies before 1970`);
  return { key, value: Number.isFinite(value) ? value : String(value), timestamp, step };
}

/** Throws `REGISTRY_MLFLOW_VALUE_INVALID` unless the path stays below its folder, here and on the server. */
export function checkArtifactPath(path: string): void {
  const subject = `the artifact ${JSON.stringify(path)}`;
  if (typeof path !== "string" || path === "" || path.length > longestPath)
    throw mlflowValueInvalid(subject, `a path has 1 to ${longestPath} characters`);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
  if (/[\\#:*?"<>|%\u0000-\u001f\u007f]|\p{Surrogate}/u.test(path))
    throw mlflowValueInvalid(subject, "its path has a character that not every system allows");
  if (path.split("/").some((segment) => segment === "" || segment === "." || segment === ".."))
    throw mlflowValueInvalid(subject, "its path is absolute, or has an empty, . or .. part");
}
