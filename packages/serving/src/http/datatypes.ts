import type { TensorType } from "@millwright/contracts";

/** The Open Inference Protocol's name of each element type. */
export const datatypes: Readonly<Record<TensorType, string>> = {
  bool: "BOOL",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  float32: "FP32",
  float64: "FP64",
  string: "BYTES",
};

const types = new Map(Object.entries(datatypes).map(([type, name]) => [name, type as TensorType]));

/** The element type of a protocol name; `undefined` for names without one (`FP16`, `BF16`). */
export const typeOfDatatype = (name: string): TensorType | undefined => types.get(name);
