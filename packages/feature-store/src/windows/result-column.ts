import type { Column } from "@millwright/contracts";
import { boolColumn, column, numericArray, numericColumn } from "@millwright/data";
import type { Aggregate } from "../definition/aggregate.ts";
import type { FeatureType, InputType } from "../definition/definition.ts";

/** What an aggregate's results are. */
export type AggregateType =
  | { readonly type: Exclude<FeatureType, "uint64" | "date"> }
  | { readonly type: "list"; readonly items: InputType };

/** The type of an aggregate's result: values that were there have the type of their input. */
export function aggregateType(
  { inputs }: { readonly inputs: Readonly<Record<string, InputType>> },
  { kind, input }: Aggregate,
): AggregateType {
  const of = inputs[input ?? ""] ?? "float64";
  switch (kind) {
    case "count":
    case "distinct":
      return { type: "int32" };
    case "first":
    case "last":
      return { type: "list", items: of };
    case "firstValue":
    case "lastValue":
      return { type: of };
    default:
      return { type: of === "timestamp" ? of : "float64" };
  }
}

/** Whether results stand as numbers, NaN for null, until they become a column. */
export const isNumberResult = ({ type }: AggregateType): boolean => type !== "list" && type !== "utf8";

/** A column of results that stand as numbers; NaN is null. */
export function columnOfNumbers({ type }: AggregateType, numbers: Float64Array): Column {
  if (type === "float64") return nullWhereNaN(numbers);
  const { validity } = nullWhereNaN(numbers);
  const { length } = numbers;
  if (type === "bool") {
    const bits = new Uint8Array((length + 7) >> 3);
    for (let row = 0; row < length; row++) if (numbers[row] === 1) bits[row >> 3]! |= 1 << (row & 7);
    return boolColumn(bits, length, validity);
  }
  if (type === "utf8" || type === "list") throw new TypeError(`Results of the type ${type} are no numbers.`);
  const values = numericArray(type, length);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let row = 0; row < length; row++) if (!Number.isNaN(numbers[row])) values[row] = BigInt(numbers[row]!);
  } else values.set(numbers);
  return numericColumn(type, values, { validity });
}

/** A column of lists or texts; undefined is null. */
export function columnOfOthers(type: AggregateType, values: readonly unknown[]): Column {
  if (type.type !== "list") return column(type.type, values as Parameters<typeof column>[1]);
  const { items } = type;
  const lists = values as readonly (readonly (number | string)[] | undefined)[];
  const ofType = items === "bool" ? lists.map((list) => list?.map((value) => value === 1)) : lists;
  return column("list", ofType, { items });
}

/** A column of floats in which NaN stands for null. */
export function nullWhereNaN(values: Float64Array): Column {
  let validity: Uint8Array | undefined;
  for (let row = 0; row < values.length; row++) {
    if (!Number.isNaN(values[row])) continue;
    validity ??= new Uint8Array((values.length + 7) >> 3).fill(255);
    validity[row >> 3]! &= ~(1 << (row & 7));
  }
  return validity === undefined
    ? { type: "float64", length: values.length, values }
    : { type: "float64", length: values.length, values, validity };
}
