import { digestOfJson, encodeNumbers, decodeNumbers, type JsonValue, type NumericValue } from "@millwright/contracts";
import { pageTokenInvalid } from "../errors.ts";
import type { KeyValue, SortKey } from "./sort-keys.ts";

/** Where a page ended: the next begins after it, whatever was written in between. */
export interface PagePosition {
  readonly segment: number;
  readonly values: readonly KeyValue[];
}

const longestToken = 100_000;

/** @param query Whatever makes it another list. */
export function writePageToken({ segment, values }: PagePosition, query: NumericValue): string {
  const content = encodeNumbers([queryDigest(query), segment, [...values]]);
  return Buffer.from(JSON.stringify(content)).toString("base64url");
}

/** Throws `REGISTRY_PAGE_TOKEN_INVALID` for what is no token, and for one of another query. */
export function readPageToken(token: string, query: NumericValue): PagePosition {
  if (typeof token !== "string") throw new TypeError(`A page token is a text, not ${typeof token}.`);
  const content = contentOf(token);
  if (!Array.isArray(content) || content.length !== 3) throw pageTokenInvalid("it is damaged");
  const [digest, segment, values] = content as readonly NumericValue[];
  if (digest !== queryDigest(query)) throw pageTokenInvalid("it belongs to another query");
  if (typeof segment !== "number" || !Number.isSafeInteger(segment) || segment < 0 || !Array.isArray(values))
    throw pageTokenInvalid("it is damaged");
  return { segment, values: values as KeyValue[] };
}

function contentOf(token: string): NumericValue | undefined {
  if (token.length > longestToken || !/^[\w-]+$/.test(token)) return undefined;
  try {
    return decodeNumbers(JSON.parse(Buffer.from(token, "base64url").toString()) as JsonValue);
  } catch {
    return undefined;
  }
}

const queryDigest = (query: NumericValue): string => digestOfJson(encodeNumbers(query)).slice(7, 23);

/** Throws `REGISTRY_PAGE_TOKEN_INVALID` unless the values can be compared with the keys: nothing else may reach the database. */
export function checkValues(keys: readonly SortKey[], values: readonly unknown[]): void {
  const fits = keys.every(({ type }, index) => {
    const value = values[index];
    if (value === null) return index < keys.length - 1;
    if (type === "text") return typeof value === "string" && !/\0|\p{Surrogate}/u.test(value);
    return type === "integer" ? Number.isSafeInteger(value) : typeof value === "number" && !Number.isNaN(value);
  });
  if (!fits || values.length !== keys.length) throw pageTokenInvalid("it is damaged");
}
