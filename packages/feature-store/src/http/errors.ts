import { FeatureStoreError } from "../errors.ts";

export const bodyInvalid = (problem: string, remedy: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_BODY_INVALID", `The body of the request cannot be read: ${problem}.`, {
    category: "user",
    remedy,
    cause,
  });

export const bodyTooLarge = (limit: number, unit: "bytes" | "rows"): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_BODY_TOO_LARGE", `The body of the request has more than ${limit} ${unit}.`, {
    category: "user",
    remedy:
      unit === "bytes" ? "Send it in parts, or raise `maxBodyBytes`." : "Send it in parts, or raise `maxBodyRows`.",
  });

export const contentTypeUnsupported = (header: string, value: string, supported: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED", `The ${header} "${value}" is not understood.`, {
    category: "user",
    remedy: `Send ${supported}.`,
  });

export const forbidden = (action: string, resource: string, reason: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_ACCESS_DENIED", `${action} on ${resource} is not allowed: ${reason}.`, {
    category: "user",
    remedy: "Ask whoever gives access for it, or call as somebody who has it.",
  });

export const valueInvalid = (
  where: string,
  column: string,
  row: number,
  value: unknown,
  wanted: string,
): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_VALUE_INVALID", `${where} have ${shown(value)} as "${column}" in row ${row}.`, {
    category: "user",
    remedy: `Send ${wanted}.`,
  });

/** As much of an error's message as an answer tells: what a stranger named is in it, however long. */
export const toldOf = ({ message }: Error): string => (message.length > 2000 ? `${message.slice(0, 2000)}…` : message);

/** A value as a message shows it: short, and never the whole of what a stranger sent. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value as number | bigint | boolean);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
