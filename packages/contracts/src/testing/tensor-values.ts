import assert from "node:assert/strict";
import { decodeTensor } from "../json-tensor.ts";
import type { JsonTensor, Tensor, Tensors } from "../tensor.ts";

/** The tensors of a golden request. */
export function tensorsOf(json: Readonly<Record<string, JsonTensor>>): Tensors {
  return Object.fromEntries(Object.entries(json).map(([name, tensor]) => [name, decodeTensor(tensor)]));
}

/** Fails unless the shapes are the same and each number is within the tolerance. */
export function assertClose(actual: Tensors, expected: Tensors, tolerance: number): void {
  assert.deepEqual(Object.keys(actual).toSorted(), Object.keys(expected).toSorted());
  for (const [name, tensor] of Object.entries(expected)) {
    const given = actual[name] as Tensor;
    assert.equal(given.dtype, tensor.dtype, `${name}: dtype`);
    assert.deepEqual(given.shape, tensor.shape, `${name}: shape`);
    for (const [index, wanted] of [...tensor.data].entries()) {
      const got = given.data[index];
      const same = Object.is(got, wanted) || Math.abs(Number(got) - Number(wanted)) <= tolerance;
      assert.ok(same, `${name}[${index}]: ${String(got)} instead of ${String(wanted)}`);
    }
  }
}

/** The rows of each tensor (its first dimension), in the order of `rows`. */
export function takeTensorRows(tensors: Tensors, rows: readonly number[]): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const width = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
      const items = rows.flatMap((row) => [...tensor.data].slice(row * width, (row + 1) * width));
      const shape = [rows.length, ...tensor.shape.slice(1)];
      if (tensor.dtype === "string") return [name, { ...tensor, shape, data: items as string[] }];
      const data = tensor.data.slice(0, 0).constructor as unknown as { from(values: readonly unknown[]): never };
      return [name, { ...tensor, shape, data: data.from(items) } as Tensor];
    }),
  );
}
