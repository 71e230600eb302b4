import { type FittedStep, hashText } from "@millwright/data";
import { onnxUnsupported } from "../errors.ts";
import { type Mapping, mapCategories } from "./category-graph.ts";
import { arithmeticOf, calendarOf } from "./date-graph.ts";
import type { Graph, Value } from "./graph.ts";

type Step<Kind extends FittedStep["kind"]> = Extract<FittedStep, { readonly kind: Kind }>;

/** What the steps of one graph share. */
export interface StepContext {
  readonly graph: Graph;
  readonly missingText: string;
  readonly onnxRuntimeOperators: boolean;
  /** Throws `MODEL_ONNX_UNSUPPORTED`, naming the step. */
  refuse(step: FittedStep, problem: string, remedy: string): never;
}

/** Makes the refusal of a step by its place in the plan. */
export const refusal =
  (steps: readonly FittedStep[]): StepContext["refuse"] =>
  (step, problem, remedy) => {
    throw onnxUnsupported(`Step ${steps.indexOf(step)} (${step.kind} of "${step.column}")`, problem, remedy);
  };

/** The outputs of a step, side by side: float32 of shape [rows, any]; none where the step has none. */
export function stepOutputs(step: FittedStep, context: StepContext): readonly Value[] {
  switch (step.kind) {
    case "numeric":
      return numeric(step, context);
    case "oneHot":
      return oneHot(step, context);
    case "hash":
      return hash(step, context);
    case "cyclic":
      return cyclic(step, context);
    case "bucket":
      return bucket(step, context);
    case "target":
      return [mapCategories(context.graph, step.column, { type: "float32", ...step, ...context })];
    case "dateParts":
      return dateParts(step, context);
    case "ngram":
      return context.refuse(
        step,
        "ONNX has no operator that cuts text into words and hashes them",
        "Count the words before the model, or leave the step out.",
      );
  }
}

/** True for NaN, which stands for null, and infinities. */
const isMissing = (graph: Graph, column: Value): Value =>
  graph.node("Or", [graph.node("IsNaN", [column]), graph.node("IsInf", [column])]);

function numeric(
  { column, fill, missingIndicator, log, offset, divisor }: Step<"numeric">,
  { graph }: StepContext,
): readonly Value[] {
  const { choose, subtract, divide } = arithmeticOf(graph);
  const missing = isMissing(graph, column);
  const filled = choose(missing, fill, column);
  const scaled = divide(subtract(log ? signedLog(graph, filled) : filled, offset), divisor);
  return [graph.cast(scaled, "float32"), ...(missingIndicator ? [graph.cast(missing, "float32")] : [])];
}

/** sign(x)·ln(1 + |x|). With u = 1 + |x| rounded, ln(u)·|x| / (u − 1) keeps the digits that u lost (Goldberg, 1991, theorem 4). */
function signedLog(graph: Graph, value: Value): Value {
  const { add, subtract, multiply, divide, choose } = arithmeticOf(graph);
  const size = graph.node("Abs", [value]);
  const one = add(size, 1);
  const rest = subtract(one, 1);
  const logged = multiply(graph.node("Log", [one]), divide(size, rest));
  return multiply(graph.node("Sign", [value]), choose(graph.node("Equal", [rest, 0]), size, logged));
}

/** One output per position, 1 at that of the row; −1 is none. */
function atPosition(graph: Graph, position: Value, width: number): readonly Value[] {
  if (width === 0) return [];
  const positions = graph.constant({ type: "int64", shape: [1, width], values: [...Array(width).keys()] });
  return [graph.cast(graph.node("Equal", [position, positions]), "float32")];
}

const int64 = (graph: Graph, value: number): Value => graph.constant({ type: "int64", shape: [], values: [value] });

function oneHot(step: Step<"oneHot">, { graph, missingText }: StepContext): readonly Value[] {
  const { categories, fill, other } = step;
  const unseen = other ? categories.length : -1;
  const found = fill === null ? -1 : categories.indexOf(fill);
  const mapping: Mapping = {
    ...step,
    type: "int64",
    values: [...categories.keys()],
    unseen,
    missing: fill !== null && found < 0 ? unseen : found,
    missingText,
  };
  return atPosition(graph, mapCategories(graph, step.column, mapping), categories.length + (other ? 1 : 0));
}

function hash(step: Step<"hash">, context: StepContext): readonly Value[] {
  const { graph, missingText, onnxRuntimeOperators, refuse } = context;
  const { column, input, buckets, seed } = step;
  if (input === "number")
    return refuse(step, "it hashes how a number is written", "Use a bucket or one-hot step for the number.");
  if (input === "bool") {
    const categories = ["false", "true"];
    const values = categories.map((category) => hashText(category, seed) % buckets);
    const mapping = { type: "int64", input, categories, values, unseen: -1, missing: -1, missingText } as const;
    return atPosition(graph, mapCategories(graph, column, mapping), buckets);
  }
  if (!onnxRuntimeOperators)
    return refuse(
      step,
      "ONNX has no operator that hashes text",
      "Set `onnxRuntimeOperators` where ONNX Runtime serves the file, or use a one-hot or target step.",
    );
  const hashed = graph.node(
    "MurmurHash3",
    [column],
    { seed: { int: (seed | 0) >>> 0 }, positive: { int: 1 } },
    { domain: "com.microsoft" },
  );
  const filled = graph.node("Mod", [graph.cast(hashed, "int64"), int64(graph, buckets)]);
  const known = { type: "int64", input, categories: [], values: [], unseen: 0, missing: 1, missingText } as const;
  const missing = graph.cast(mapCategories(graph, column, known), "bool");
  return atPosition(graph, graph.node("Where", [missing, int64(graph, -1), filled]), buckets);
}

function cyclic({ column, period }: Step<"cyclic">, { graph }: StepContext): readonly Value[] {
  const rest = graph.node("Mod", [column, period], { fmod: { int: 1 } });
  return around(graph, arithmeticOf(graph).divide(rest, period), isMissing(graph, column));
}

/** Sine and cosine of a share of the whole turn. The cosine is a sine: ONNX Runtime of 2024 has no other in double. */
function around(graph: Graph, share: Value, missing: Value): readonly Value[] {
  const { add, multiply, choose } = arithmeticOf(graph);
  const angle = multiply(multiply(share, 2), Math.PI);
  return [angle, add(angle, Math.PI / 2)].map((each) =>
    graph.cast(choose(missing, 0, graph.node("Sin", [each])), "float32"),
  );
}

function bucket({ column, edges }: Step<"bucket">, { graph }: StepContext): readonly Value[] {
  const missing = isMissing(graph, column);
  let position = int64(graph, 0);
  if (edges.length > 0) {
    const row = graph.constant({ type: "float64", shape: [1, edges.length], values: edges });
    const reached = graph.cast(graph.node("GreaterOrEqual", [column, row]), "int64");
    const axes = graph.constant({ type: "int64", shape: [1], values: [1] });
    position = graph.node("ReduceSum", [reached, axes]);
  }
  return atPosition(graph, graph.node("Where", [missing, int64(graph, -1), position]), edges.length + 1);
}

/** The first value of each part that comes around, and how many there are. */
const periods = {
  month: [1, 12],
  day: [1, 31],
  yearDay: [1, 366],
  weekday: [1, 7],
  hour: [0, 24],
  minute: [0, 60],
} as const;

function dateParts({ column, unit, parts, encoding }: Step<"dateParts">, { graph }: StepContext): readonly Value[] {
  const { subtract, divide, choose } = arithmeticOf(graph);
  const calendar = calendarOf(graph, column, unit);
  const { missing } = calendar;
  return parts.flatMap((part) => {
    const value = calendar.part(part);
    if (encoding === "cyclic" && part !== "year") {
      const [first, period] = periods[part];
      return around(graph, divide(subtract(value, first), period), missing);
    }
    const told = encoding === "cyclic" ? subtract(value, 2000) : value;
    return [graph.cast(choose(missing, 0, told), "float32")];
  });
}
