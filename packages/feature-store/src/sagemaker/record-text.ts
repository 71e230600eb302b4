import { type Column, type ColumnType, formatEventTime } from "@millwright/contracts";
import { toArray, column, type ValueInput } from "@millwright/data";
import { feastValueReaders, parsePythonTime } from "../http/value-readers.ts";
import { recordInvalid } from "./errors.ts";

/** Values that come as texts: SageMaker's types are String, Integral and Fractional, and bools stand as Integral or as words. */
export function valueOfText(type: ColumnType, text: string, where: { group: string; feature: string }): ValueInput {
  if (type === "utf8" || type === "dictionary") return text;
  if (type === "bool") {
    const word = text.toLowerCase();
    if (word === "1" || word === "true") return true;
    if (word === "0" || word === "false") return false;
    throw recordInvalid(where.group, where.feature, text, "a bool");
  }
  const reader = feastValueReaders[type];
  const number = type === "timestamp" && /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
  const value = reader?.read(number);
  if (value === undefined) throw recordInvalid(where.group, where.feature, text, reader?.wanted ?? `of type ${type}`);
  return value;
}

/** The time of a record: ISO 8601, or seconds since 1970, in microseconds. */
export function timeOfText(text: string, where: { group: string; feature: string }): number {
  const us = parsePythonTime(/^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);
  if (us === undefined) throw recordInvalid(where.group, where.feature, text, "a time");
  return Number(us);
}

/** The values of a column as texts; undefined where there is none. */
export function textsOfColumn(given: Column): (string | undefined)[] {
  const { type } = given;
  return toArray(given).map((value) => {
    if (value === null) return undefined;
    if (type === "timestamp") return formatEventTime(value as bigint);
    if (type === "date") return new Date((value as number) * 86_400_000).toISOString().slice(0, 10);
    if (typeof value === "boolean") return value ? "1" : "0";
    return Object.is(value, -0) ? "-0" : String(value);
  });
}

/** Event times as the group has them. SageMaker's texts have milliseconds. */
export function eventTimeText(us: bigint, kind: "text" | "seconds"): string {
  if (kind === "seconds") return String(Number(us) / 1e6);
  return new Date(Math.floor(Number(us) / 1000)).toISOString();
}

/** A column of values, of which those that are undefined are null. */
export const columnOfValues = (type: ColumnType, values: readonly (ValueInput | undefined)[]): Column =>
  column(
    type,
    values.map((value) => value ?? null),
  );
