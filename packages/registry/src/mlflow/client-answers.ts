import { mlflowAnswerInvalid } from "./client-errors.ts";
import type { MlflowBody } from "./client-http.ts";
import { type JsonRecord, isRecord } from "./message.ts";

/** A member of an answer that must be an object. Throws `REGISTRY_MLFLOW_ANSWER_INVALID`. */
export function objectIn(answer: JsonRecord, name: string): JsonRecord {
  const value = answer[name];
  if (!isRecord(value)) throw mlflowAnswerInvalid("the call", `its answer has no ${name}`);
  return value;
}

/** A member that must be a text; numbers are given as one. Throws `REGISTRY_MLFLOW_ANSWER_INVALID`. */
export function textIn(answer: JsonRecord, name: string): string {
  const value = answer[name];
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || value === "") throw mlflowAnswerInvalid("the call", `its answer has no ${name}`);
  return value;
}

/** A text that may be absent. */
export const textOr = <Absent>(answer: JsonRecord, name: string, absent: Absent): string | Absent => {
  const value = answer[name];
  return typeof value === "string" ? value : absent;
};

/** An integer, which servers of JSON in 64 bits may give as a text. Throws `REGISTRY_MLFLOW_ANSWER_INVALID`. */
export function integerIn(answer: JsonRecord, name: string): number {
  const value = Number(answer[name]);
  if (!Number.isSafeInteger(value) || answer[name] === "")
    throw mlflowAnswerInvalid("the call", `its answer has no ${name}`);
  return value;
}

/** Objects of a list; an absent list is empty. */
export const listIn = (answer: JsonRecord, name: string): readonly JsonRecord[] => {
  const value = answer[name];
  return Array.isArray(value) ? value.filter(isRecord) : [];
};

/** `[{ key, value }]` by key. */
export const pairsIn = (answer: JsonRecord, name: string): ReadonlyMap<string, string> =>
  new Map(listIn(answer, name).map((pair) => [textOr(pair, "key", ""), textOr(pair, "value", "")]));

/** Where calls go, and how. */
export const api = "/api/2.0/mlflow/";

/** @param query Members without a value are left out; lists are repeated. */
export function queried(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.append(name, String(value));
  return `${api}${path}?${params}`;
}

export const jsonBody = (value: unknown) => (): MlflowBody => ({
  bytes: JSON.stringify(value),
  type: "application/json",
});
