import type { z } from "zod";
import type { DatasetRef } from "./dataset.ts";
import { formatUnsupported, valueInvalid } from "./errors.ts";
import type { MillwrightEvent } from "./event.ts";
import type { Branded, Digest, FeatureViewRef, JobId, ModelRef, ModelVersionRef, RunId, TrialId } from "./ids.ts";
import type { JobHistory } from "./job-state.ts";
import type { ModelManifest } from "./model-manifest.ts";
import { zodSchemas } from "./zod-schemas.ts";

/** Reads the value as it is, without changing or completing it; a format of the future is refused before anything else of it is looked at. */
function parse<Value>(what: string, schema: z.ZodType<Value>, value: unknown, formatVersion?: number): Value {
  if (formatVersion !== undefined && value !== null && typeof value === "object" && "formatVersion" in value) {
    const found = value.formatVersion;
    if (typeof found === "number" && Number.isInteger(found) && found > formatVersion) {
      throw formatUnsupported(what, found, formatVersion);
    }
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = deepest(result.error.issues);
  throw valueInvalid(what, pathText(issue.path), valueAt(value, issue.path), problemText(issue));
}

type Issue = z.core.$ZodIssue;

/** The first issue; of alternatives that all failed, the one that came furthest. */
function deepest(issues: readonly Issue[], path: readonly PropertyKey[] = []): Issue {
  const [first] = issues as readonly [Issue, ...Issue[]];
  const whole = { ...first, path: [...path, ...first.path] };
  if (whole.code !== "invalid_union") return whole;
  const candidates = whole.errors.filter((errors) => errors.length > 0).map((errors) => deepest(errors, whole.path));
  const furthest = candidates.toSorted((left, right) => right.path.length - left.path.length)[0];
  return furthest !== undefined && furthest.path.length > whole.path.length ? furthest : whole;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) =>
      text +
      (typeof key === "number"
        ? `[${key}]`
        : /^\w+$/.test(String(key))
          ? `.${String(key)}`
          : `[${JSON.stringify(key)}]`),
    "$",
  );
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);

const problemText = (issue: Issue): string => {
  const message = issue.message.replace(/^Invalid (input|string|option): /, "").replace(/, received .*$/, "");
  return message.charAt(0).toLowerCase() + message.slice(1);
};

/** Throws `CONTRACTS_VALUE_INVALID`, naming where and what; `CONTRACTS_FORMAT_UNSUPPORTED` for a newer `formatVersion`. */
export function parseModelManifest(value: unknown): ModelManifest {
  return parse("model manifest", zodSchemas.modelManifest, value, 1);
}

/** Throws `CONTRACTS_VALUE_INVALID`, naming where and what; `CONTRACTS_FORMAT_UNSUPPORTED` for a newer `formatVersion`. */
export function parseDatasetRef(value: unknown): DatasetRef {
  return parse("dataset reference", zodSchemas.datasetRef, value, 1);
}

/** Members the envelope does not have are left out; those of `data` are kept. Throws `CONTRACTS_VALUE_INVALID`. */
export function parseEvent(value: unknown): MillwrightEvent {
  return parse("event", zodSchemas.event, value);
}

/** Throws `CONTRACTS_VALUE_INVALID`. Whether each step was legal is not looked at: the past is what it was. */
export function parseJobHistory(value: unknown): JobHistory {
  return parse("job history", zodSchemas.jobHistory, value);
}

/** Throws `CONTRACTS_VALUE_INVALID`. */
export function parseDigest(value: unknown): Digest {
  return parse("digest", zodSchemas.digest, value);
}

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

function parseId<Id extends string>(what: string, value: unknown): Branded<Id> {
  if (typeof value === "string" && idPattern.test(value)) return value as Branded<Id>;
  throw valueInvalid(what, "$", value, "expected 1 to 128 letters, digits and . _ : - with a letter or digit first");
}

/** Throws `CONTRACTS_VALUE_INVALID`. */
export const parseRunId = (value: unknown): RunId => parseId<"RunId">("run id", value);
/** Throws `CONTRACTS_VALUE_INVALID`. */
export const parseTrialId = (value: unknown): TrialId => parseId<"TrialId">("trial id", value);
/** Throws `CONTRACTS_VALUE_INVALID`. */
export const parseJobId = (value: unknown): JobId => parseId<"JobId">("job id", value);

/** What a model reference says. */
export type ParsedModelRef =
  | { readonly name: string; readonly version: number; readonly alias?: undefined }
  | { readonly name: string; readonly alias: string; readonly version?: undefined };

const modelRefPattern = /^([A-Za-z0-9][A-Za-z0-9._-]{0,127})(?:\/([1-9]\d{0,8})|@([A-Za-z][A-Za-z0-9._-]{0,127}))$/;

/** Reads `late/3` or `late@champion`. Throws `CONTRACTS_VALUE_INVALID`. */
export function parseModelRef(text: string): ParsedModelRef {
  const match = typeof text === "string" ? modelRefPattern.exec(text) : null;
  if (match === null) throw valueInvalid("model reference", "$", text, "expected name/version or name@alias");
  const name = match[1] as string;
  return match[2] === undefined ? { name, alias: match[3] as string } : { name, version: Number(match[2]) };
}

/** The reference's text, checked. Throws `CONTRACTS_VALUE_INVALID`. */
export function modelRef(text: string): ModelRef {
  parseModelRef(text);
  return text as ModelRef;
}

/** `late/3`: means the same model for ever. Throws `CONTRACTS_VALUE_INVALID`. */
export function modelVersionRef(name: string, version: number): ModelVersionRef {
  const text = `${name}/${version}`;
  parseModelRef(text);
  return text as ModelVersionRef;
}

/** `flights#sha256:…`: a feature view as it was defined when the digest was taken. Throws `CONTRACTS_VALUE_INVALID`. */
export function featureViewRef(name: string, digest: Digest): FeatureViewRef {
  if (name === "" || name.includes("#")) throw valueInvalid("feature view name", "$", name, "expected text without #");
  return `${name}#${parseDigest(digest)}` as FeatureViewRef;
}
