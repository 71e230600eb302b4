import { bytes, encoded, type Fields, float, integer, message, text } from "./protobuf.ts";

// Field numbers and enumerations are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

/** Element types, by their number in `TensorProto.DataType`. */
export const elementTypes = { float32: 1, int64: 7, string: 8, bool: 9, float64: 11 } as const;

export type ElementType = keyof typeof elementTypes;

/** A tensor whose values stand in the file. */
export type OnnxTensor = { readonly shape: readonly number[] } & (
  | { readonly type: "float32" | "float64"; readonly values: ArrayLike<number> }
  | { readonly type: "int64"; readonly values: readonly number[] }
);

export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly tensor: OnnxTensor };

export interface OnnxNode {
  readonly op: string;
  /** `""` is ONNX's own operators. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A tensor that goes in or comes out, of shape [rows, width]. */
export interface OnnxPort {
  readonly name: string;
  readonly type: ElementType;
  readonly width: number;
}

export interface OnnxModel {
  readonly name: string;
  /** Versions of the operators, by domain. */
  readonly operators: Readonly<Record<string, number>>;
  readonly nodes: readonly OnnxNode[];
  readonly constants: Readonly<Record<string, OnnxTensor>>;
  readonly inputs: readonly OnnxPort[];
  readonly output: OnnxPort;
  readonly metadata: Readonly<Record<string, string>>;
}

/** That of ai.onnx.ml 4 (ONNX 1.15); runtimes since 2024 read it. */
const irVersion = 9;

/** The bytes of an `.onnx` file. */
export function encodeModel({ name, operators, metadata, ...graph }: OnnxModel): Uint8Array {
  return encoded([
    ...integer(1, irVersion),
    ...text(2, "millwright"),
    ...message(7, encodeGraph(name, graph)),
    ...Object.entries(operators).flatMap(([domain, version]) =>
      message(8, [...text(1, domain), ...integer(2, version)]),
    ),
    ...Object.entries(metadata).flatMap(([key, value]) => message(14, [...text(1, key), ...text(2, value)])),
  ]);
}

function encodeGraph(
  name: string,
  { nodes, constants, inputs, output }: Pick<OnnxModel, "nodes" | "constants" | "inputs" | "output">,
): Fields {
  return [
    ...nodes.flatMap((node) => message(1, encodeNode(node))),
    ...text(2, name),
    ...Object.entries(constants).flatMap(([each, tensor]) => message(5, encodeTensor(tensor, each))),
    ...inputs.flatMap((port) => message(11, encodePort(port))),
    ...message(12, encodePort(output)),
  ];
}

const encodeNode = ({ op, domain, inputs, output, attributes }: OnnxNode): Fields => [
  ...inputs.flatMap((input) => text(1, input)),
  ...text(2, output),
  ...text(3, output),
  ...text(4, op),
  ...Object.entries(attributes).flatMap(([name, attribute]) => message(5, encodeAttribute(name, attribute))),
  ...text(7, domain),
];

function encodeAttribute(name: string, attribute: Attribute): Fields {
  const typed = (type: number, value: Fields): Fields => [...text(1, name), ...value, ...integer(20, type)];
  if ("float" in attribute) return typed(1, float(2, attribute.float));
  if ("int" in attribute) return typed(2, integer(3, attribute.int));
  if ("string" in attribute) return typed(3, text(4, attribute.string));
  if ("tensor" in attribute) return typed(4, message(5, encodeTensor(attribute.tensor, name)));
  if ("floats" in attribute)
    return typed(
      6,
      attribute.floats.flatMap((value) => float(7, value)),
    );
  if ("ints" in attribute)
    return typed(
      7,
      attribute.ints.flatMap((value) => integer(8, value)),
    );
  return typed(
    8,
    attribute.strings.flatMap((value) => text(9, value)),
  );
}

const encodeTensor = (tensor: OnnxTensor, name: string): Fields => [
  ...tensor.shape.flatMap((size) => integer(1, size)),
  ...integer(2, elementTypes[tensor.type]),
  ...text(8, name),
  ...bytes(9, rawData(tensor)),
];

/** Little-endian, whatever the machine. */
function rawData({ type, values }: OnnxTensor): Uint8Array {
  const size = type === "float32" ? 4 : 8;
  const view = new DataView(new ArrayBuffer(values.length * size));
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    if (type === "float32") view.setFloat32(index * size, value, true);
    else if (type === "float64") view.setFloat64(index * size, value, true);
    else view.setBigInt64(index * size, BigInt(value), true);
  }
  return new Uint8Array(view.buffer);
}

function encodePort({ name, type, width }: OnnxPort): Fields {
  const shape = [...message(1, text(2, "rows")), ...message(1, integer(1, width))];
  const tensorType = [...integer(1, elementTypes[type]), ...message(2, shape)];
  return [...text(1, name), ...message(2, message(1, tensorType))];
}
