import { hasCode } from "@millwright/contracts";
import { expect, test } from "vitest";
import { describeOnnx, onnxRuntime, writeOnnxModel } from "../src/onnx.ts";
import { encoded, type Fields, integer, message, text } from "../src/onnx/protobuf.ts";

const layers = [{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" }] as const;

const dimension = (value: number | string): Fields =>
  message(1, typeof value === "number" ? integer(1, value) : text(2, value));
const tensor = (name: string, type: number, ...shape: readonly (number | string)[]): Fields => [
  ...text(1, name),
  ...message(2, message(1, [...integer(1, type), ...message(2, shape.flatMap(dimension))])),
];
const weight = (name: string, location?: string): Fields => [
  ...text(8, name),
  ...(location === undefined ? [] : message(13, [...text(1, "location"), ...text(2, location)])),
];
const file = (graph: Fields): Uint8Array =>
  encoded([
    ...integer(1, 9),
    ...text(2, "pytorch"),
    ...text(3, "2.0"),
    ...message(8, integer(2, 17)),
    ...message(7, graph),
  ]);

const codeOf = (bytes: Uint8Array): string => {
  try {
    describeOnnx(bytes);
    return "none";
  } catch (error) {
    return hasCode(error, "MODEL_ONNX_INVALID") ? error.code : String(error);
  }
};

test("inputs that are no weights, outputs, open sizes and files of weights are read", () => {
  const bytes = file([
    ...message(5, weight("w", "model.onnx.data")),
    ...message(5, weight("b", "model.onnx.data")),
    ...message(11, tensor("x", 1, "batch", 2)),
    ...message(11, tensor("w", 1, 2, 1)),
    ...message(11, tensor("city", 8, "batch")),
    ...message(12, tensor("y", 11, "batch", 1)),
  ]);
  expect(describeOnnx(bytes)).toEqual({
    signature: {
      inputs: [
        { name: "x", dtype: "float32", shape: [-1, 2] },
        { name: "city", dtype: "string", shape: [-1] },
      ],
      outputs: [{ name: "y", dtype: "float64", shape: [-1, 1] }],
    },
    operators: { "": 17 },
    metadata: {},
    producer: "pytorch 2.0",
    externalFiles: ["model.onnx.data"],
  });
});

test("weights outside the model's folder, maps, and types that no tensor here has are refused", () => {
  const sequence = [...text(1, "classes"), ...message(2, message(4, integer(1, 1)))];
  for (const stray of ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\weights", "..\\up", ""])
    expect([stray, codeOf(file(message(5, weight("w", stray))))]).toEqual([stray, "MODEL_ONNX_INVALID"]);
  expect(codeOf(file(message(12, sequence)))).toBe("MODEL_ONNX_INVALID");
  expect(codeOf(file(message(12, tensor("half", 10, 1))))).toBe("MODEL_ONNX_INVALID");
});

test("a file that is cut or changed anywhere is read or refused, and nothing else", () => {
  const { "model.onnx": whole } = writeOnnxModel({ layers }).files;
  expect(codeOf(new Uint8Array())).toBe("MODEL_ONNX_INVALID");
  for (let length = 0; length < whole.length; length += 1)
    expect(["none", "MODEL_ONNX_INVALID"]).toContain(codeOf(whole.subarray(0, length)));
  for (let at = 0; at < whole.length; at += 1)
    for (const flip of [1, 0x7f, 0x80, 0xff]) {
      const changed = Uint8Array.from(whole);
      changed[at]! ^= flip;
      expect(["none", "MODEL_ONNX_INVALID"]).toContain(codeOf(changed));
    }
});

test("what is no ONNX Runtime is refused as it is passed in", () => {
  expect(() => onnxRuntime({} as never)).toThrow(TypeError);
});
