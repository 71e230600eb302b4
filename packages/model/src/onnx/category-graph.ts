import type { FittedStep } from "@millwright/data";
import type { Graph, Value } from "./graph.ts";

type Categorical = Extract<FittedStep, { readonly kind: "oneHot" | "target" }>;

/** What a category, an unseen one and a missing one are mapped to. */
export interface Mapping {
  readonly type: "int64" | "float32";
  readonly input: Categorical["input"];
  readonly categories: readonly string[];
  /** By category. */
  readonly values: readonly number[];
  readonly unseen: number;
  readonly missing: number;
  /** The text that stands for null. */
  readonly missingText: string;
}

/** Looks the categories of a column up: one value a row. */
export function mapCategories(graph: Graph, column: Value, mapping: Mapping): Value {
  return mapping.input === "text" ? mapTexts(graph, column, mapping) : mapNumbers(graph, column, mapping);
}

function mapTexts(graph: Graph, column: Value, mapping: Mapping): Value {
  const { type, categories, unseen, missing, missingText } = mapping;
  const values = [...mapping.values, missing];
  const attributes =
    type === "int64"
      ? { values_int64s: { ints: values }, default_int64: { int: unseen } }
      : { values_floats: { floats: values }, default_float: { float: unseen } };
  const keys = { keys_strings: { strings: [...categories, missingText] } };
  return graph.node("LabelEncoder", [column], { ...keys, ...attributes }, { domain: "ai.onnx.ml" });
}

function mapNumbers(graph: Graph, column: Value, mapping: Mapping): Value {
  const { type, unseen, missing } = mapping;
  const known = numbersOf(mapping);
  const element = type === "int64" ? "int64" : "float64";
  const keys = [...known.map(({ key }) => key), Number.NaN];
  const values = [...known.map(({ value }) => value), missing];
  const mapped = graph.node(
    "LabelEncoder",
    [column],
    {
      keys_tensor: { tensor: { type: "float64", shape: [keys.length], values: keys } },
      values_tensor: { tensor: { type: element, shape: [values.length], values } },
      default_tensor: { tensor: { type: element, shape: [1], values: [otherwise(mapping, unseen)] } },
    },
    { domain: "ai.onnx.ml" },
  );
  return type === "int64" ? mapped : graph.cast(mapped, "float32");
}

/** The numbers that categories are written for; a category that is no number's text is never met. */
function numbersOf({
  input,
  categories,
  values,
}: Mapping): readonly { readonly key: number; readonly value: number }[] {
  return categories.flatMap((category, at) => {
    const value = values[at] as number;
    if (input === "bool") return category === "true" ? [{ key: 1, value }] : [];
    const key = Number(category);
    return String(key) === category && key === key ? [{ key, value }] : [];
  });
}

/** A boolean that is not 1 is false. */
function otherwise({ input, categories, values }: Mapping, unseen: number): number {
  if (input !== "bool") return unseen;
  return values[categories.indexOf("false")] ?? unseen;
}
