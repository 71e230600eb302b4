import { type JsonRecord, isRecord } from "./message.ts";
import { invalid, shown } from "./refusal.ts";

/** A key with a value, as tags and params travel. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** The members of a request: of its body, or of its query, where a name may stand several times. */
export interface Fields {
  /** Throws a refusal where it is missing, empty or no text. */
  text(name: string): string;
  /** A text that may be empty, but must be there. */
  present(name: string): string;
  optionalText(name: string): string | undefined;
  /** An integer, as a number or as text. */
  optionalInteger(name: string): number | undefined;
  integer(name: string): number;
  /** A double; `NaN` and the infinities are texts. */
  double(name: string): number;
  optionalFlag(name: string): boolean | undefined;
  texts(name: string): readonly string[];
  pairs(name: string): readonly KeyValue[];
  objects(name: string): readonly Fields[];
  optionalObject(name: string): Fields | undefined;
}

const absent = (value: unknown): boolean => value === undefined || value === null;

const required = (name: string): Error =>
  invalid(
    `Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`,
  );

const wrong = (name: string, value: unknown, wanted: string): Error =>
  invalid(
    `Invalid value ${shown(value)} for parameter '${name}' supplied: it is not ${wanted}. See the API docs for more information about request parameters.`,
  );

/** @param prefix Where these fields stand, for messages. */
export function fieldsOf(record: JsonRecord, prefix = ""): Fields {
  const get = (name: string): unknown => (Object.hasOwn(record, name) ? record[name] : undefined);
  const optionalText = (name: string): string | undefined => textIn(get(name), prefix + name);
  const optionalNumber = (name: string, isInteger: boolean): number | undefined =>
    numberIn(get(name), prefix + name, isInteger);
  const list = (name: string): readonly unknown[] => listIn(get(name), prefix + name);
  const given = <Value>(name: string, value: Value | undefined): Value => {
    if (value === undefined) throw required(prefix + name);
    return value;
  };
  const objects = (name: string): readonly Fields[] =>
    list(name).map((each, index) => {
      if (!isRecord(each)) throw wrong(`${prefix}${name}[${index}]`, each, "an object");
      return fieldsOf(each, `${prefix}${name}[${index}].`);
    });
  return {
    text(name) {
      const value = optionalText(name);
      if (value === undefined || value === "") throw required(prefix + name);
      return value;
    },
    present: (name) => given(name, optionalText(name)),
    optionalText,
    optionalInteger: (name) => optionalNumber(name, true),
    integer: (name) => given(name, optionalNumber(name, true)),
    double: (name) => given(name, optionalNumber(name, false)),
    optionalFlag: (name) => flagIn(get(name), prefix + name),
    texts: (name) =>
      list(name).map((each, index) => given(`${name}[${index}]`, textIn(each, `${prefix}${name}[${index}]`))),
    pairs: (name) =>
      objects(name).map((each) => ({ key: each.present("key"), value: each.optionalText("value") ?? "" })),
    objects,
    optionalObject(name) {
      const value = get(name);
      if (absent(value)) return undefined;
      if (!isRecord(value)) throw wrong(prefix + name, value, "an object");
      return fieldsOf(value, `${prefix}${name}.`);
    },
  };
}

function textIn(value: unknown, name: string): string | undefined {
  if (absent(value)) return undefined;
  if (typeof value === "string") return kept(value, name);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw wrong(name, value, "a text");
}

function numberIn(value: unknown, name: string, isInteger: boolean): number | undefined {
  if (absent(value)) return undefined;
  const number = numberOf(value, isInteger);
  if (number === undefined) throw wrong(name, value, isInteger ? "an integer" : "a number");
  return number;
}

function flagIn(value: unknown, name: string): boolean | undefined {
  if (absent(value)) return undefined;
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw wrong(name, value, "true or false");
}

function listIn(value: unknown, name: string): readonly unknown[] {
  if (absent(value)) return [];
  if (!Array.isArray(value)) throw wrong(name, value, "a list");
  return value;
}

const lists = new Set(["order_by", "stages", "experiment_ids"]);

/** The fields of a query. */
export function queryFields(query: string): Fields {
  const record: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of new URLSearchParams(query)) {
    if (lists.has(name)) record[name] = [...((record[name] as string[] | undefined) ?? []), value];
    else record[name] = value;
  }
  return fieldsOf({ ...record });
}

const doubles: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  nan: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

function numberOf(value: unknown, isInteger: boolean): number | undefined {
  if (typeof value === "string" && Object.hasOwn(doubles, value)) return isInteger ? undefined : doubles[value];
  const isText = typeof value === "string" && /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(value);
  const number = typeof value === "number" ? value : isText ? Number(value) : undefined;
  if (number === undefined || (isInteger && !Number.isSafeInteger(number))) return undefined;
  // A double that is too great for one was written as a number: 1e999.
  return number;
}

/** A text that both databases keep as it is. */
function kept(value: string, name: string): string {
  if (/\0|\p{Surrogate}/u.test(value))
    throw invalid(`Invalid value for parameter '${name}' supplied: it has a character that cannot be stored.`);
  return value;
}
