import type { ModelSignature, TensorSpec, TensorType } from "@millwright/contracts";
import { parse } from "yaml";
import { type JsonRecord, isRecord } from "./message.ts";

/** What is read of a model directory's `MLmodel` file. */
export interface MlmodelFacts {
  readonly signature: ModelSignature;
  /** Versions of what made it, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** UTC, milliseconds. */
  readonly createdTimeMs: number | undefined;
}

const nothing: MlmodelFacts = { signature: { inputs: [], outputs: [] }, environment: {}, createdTimeMs: undefined };

/** Reads the text of an `MLmodel` file; of one that is none, nothing is known. Only data is read: no code of the model runs. */
export function readMlmodel(text: string): MlmodelFacts {
  let document: unknown;
  try {
    // Plain scalars stay texts: times and versions are read as they stand.
    document = parse(text, { schema: "failsafe", maxAliasCount: 0, logLevel: "silent" });
  } catch {
    return nothing;
  }
  if (!isRecord(document)) return nothing;
  const { signature, flavors } = document;
  const of = isRecord(signature) ? signature : {};
  return {
    signature: { inputs: specsOf(of["inputs"], "input"), outputs: specsOf(of["outputs"], "output") },
    environment: environmentOf(document, flavors),
    createdTimeMs: timeOf(document["utc_time_created"]),
  };
}

function environmentOf(document: JsonRecord, flavors: unknown): Readonly<Record<string, string>> {
  const environment: Record<string, string> = {};
  if (typeof document["mlflow_version"] === "string") environment["mlflow"] = document["mlflow_version"];
  if (!isRecord(flavors)) return environment;
  environment["mlflow.flavors"] = Object.keys(flavors).sort().join(", ");
  const python = flavors["python_function"];
  if (isRecord(python) && typeof python["python_version"] === "string")
    environment["python"] = python["python_version"];
  return environment;
}

/** `2024-05-01 12:30:00.123456`, UTC. */
function timeOf(value: unknown): number | undefined {
  const match = typeof value === "string" ? /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,3})?/.exec(value) : null;
  const time = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}${match[3] ?? ""}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** Types of columns and of numpy. */
const types: Readonly<Record<string, TensorType>> = {
  boolean: "bool",
  integer: "int32",
  long: "int64",
  float: "float32",
  double: "float64",
  string: "string",
  bool: "bool",
  int8: "int8",
  int16: "int16",
  int32: "int32",
  int64: "int64",
  uint8: "uint8",
  uint16: "uint16",
  uint32: "uint32",
  uint64: "uint64",
  float32: "float32",
  float64: "float64",
  str: "string",
  object: "string",
};

/** A side of the signature; empty where it has a type that no tensor has (dates, bytes, nested objects). */
function specsOf(json: unknown, word: string): readonly TensorSpec[] {
  let list: unknown;
  try {
    list = typeof json === "string" ? JSON.parse(json) : undefined;
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  const specs = list.map((each: unknown, index): TensorSpec | undefined => {
    if (!isRecord(each)) return undefined;
    const name =
      typeof each["name"] === "string" && each["name"] !== "" ? each["name"] : defaultName(word, index, list.length);
    const tensor = each["tensor-spec"];
    const type = isRecord(tensor) ? tensor["dtype"] : each["type"];
    const shape = isRecord(tensor) ? tensor["shape"] : [-1];
    const dtype = typeof type === "string" && Object.hasOwn(types, type) ? types[type] : undefined;
    return dtype !== undefined && isShape(shape) ? { name, dtype, shape } : undefined;
  });
  const known = specs.filter((spec) => spec !== undefined);
  return known.length === list.length && new Set(known.map(({ name }) => name)).size === known.length ? known : [];
}

const defaultName = (word: string, index: number, count: number): string => (count === 1 ? word : `${word}_${index}`);

const isShape = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isInteger(size) && size >= -1);
