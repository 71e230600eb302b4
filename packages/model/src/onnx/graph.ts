import { type Attribute, type ElementType, elementTypes, type OnnxNode, type OnnxTensor } from "./onnx-proto.ts";

/** The name of a tensor in the graph. */
export type Value = string;

/** Operators of ONNX that models of tables are made of, and of a runtime's own where the caller allows them. */
export const operatorVersions = { "": 17, "ai.onnx.ml": 4, "com.microsoft": 1 } as const;

export type Domain = keyof typeof operatorVersions;

export interface NodeOptions {
  /** Default: ONNX's own operators. */
  readonly domain?: Domain | undefined;
  /** The name of the result. Default: one of its own. */
  readonly as?: string | undefined;
}

/** Nodes and constants while they are put together. An operation on the same values is there once. */
export interface Graph {
  node(
    op: string,
    inputs: readonly (Value | number)[],
    attributes?: Readonly<Record<string, Attribute>>,
    options?: NodeOptions,
  ): Value;
  constant(tensor: OnnxTensor): Value;
  cast(value: Value, type: ElementType, as?: string): Value;
  readonly nodes: readonly OnnxNode[];
  readonly constants: Readonly<Record<string, OnnxTensor>>;
  /** Versions of the operators that are used, by domain. */
  operators(): Readonly<Record<string, number>>;
}

/** @param taken Names that tensors must not have: those of inputs and outputs. */
export function createGraph(taken: readonly string[]): Graph {
  const names = new Set(taken);
  const known = new Map<string, Value>();
  const nodes: OnnxNode[] = [];
  const constants: Record<string, OnnxTensor> = {};
  let count = 0;
  const fresh = (hint: string): string => {
    for (;;) {
      const name = `${hint}_${count++}`;
      if (names.has(name)) continue;
      names.add(name);
      return name;
    }
  };
  /** What was made before under the key, or what is made now. */
  const once = (key: string, make: () => Value): Value => {
    const value = known.get(key) ?? make();
    known.set(key, value);
    return value;
  };
  const constant = (tensor: OnnxTensor): Value => {
    const name = (): Value => {
      const made = fresh("constant");
      constants[made] = tensor;
      return made;
    };
    // Weights are not compared: they are many, and never the same.
    return tensor.values.length > 1024 ? name() : once(keyOf("constant", tensor), name);
  };
  const scalar = (value: number): Value => constant({ type: "float64", shape: [], values: [value] });
  const node: Graph["node"] = (op, given, attributes = {}, { domain = "", as } = {}) => {
    const inputs = given.map((input) => (typeof input === "number" ? scalar(input) : input));
    return once(keyOf(domain, [op, inputs, attributes, as]), () => {
      const output = as ?? fresh(op.toLowerCase());
      nodes.push({ op, domain, inputs, output, attributes });
      return output;
    });
  };
  return {
    node,
    constant,
    cast: (value, type, as) => node("Cast", [value], { to: { int: elementTypes[type] } }, { as }),
    nodes,
    constants,
    operators: () =>
      Object.fromEntries(
        ["", ...new Set(nodes.map(({ domain }) => domain))].map((domain) => [
          domain,
          operatorVersions[domain as Domain],
        ]),
      ),
  };
}

/** JSON has no text for NaN and infinities, and would take them for one another. */
const keyOf = (what: string, value: unknown): string =>
  `${what} ${JSON.stringify(value, (_, each: unknown) =>
    typeof each === "number" && !Number.isFinite(each) ? `number ${each}` : each,
  )}`;
