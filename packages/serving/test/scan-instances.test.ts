import { createRandom, type TensorSpec } from "@millwright/contracts";
import { expect, test } from "vitest";
import { scanInstances } from "../src/content/scan-instances.ts";
import { jsonObjectOf } from "../src/http/http-message.ts";
import { stackRows } from "../src/http/json-tensors.ts";

const { next } = createRandom(7);
const int = (low: number, high: number): number => low + Math.floor(next() * (high - low));
const digits = (count: number): string => Array.from({ length: count }, () => int(0, 10)).join("");

/** The text of a number, as people and libraries write them, and as they should not. */
function numberText(): string {
  const chance = next();
  if (chance < 0.25) return String(Math.fround((next() - 0.5) * 10 ** int(-10, 10)));
  if (chance < 0.5) return String((next() - 0.5) * 10 ** int(-30, 30));
  if (chance < 0.6) return String(int(-1000, 1000));
  const whole = next() < 0.5 ? "0" : `${int(1, 10)}${digits(int(0, 22))}`;
  const fraction = next() < 0.7 ? `.${digits(int(1, 24))}` : "";
  const exponent =
    next() < 0.3 ? `${next() < 0.5 ? "e" : "E"}${["", "+", "-"][int(0, 3)]}${int(0, next() < 0.1 ? 400 : 24)}` : "";
  return `${next() < 0.3 ? "-" : ""}${whole}${fraction}${exponent}`;
}

/** Beside the middle of two neighbours of single precision: where rounding once and twice differ. */
function nearMiddle(): string {
  const [low] = new Float32Array([(next() - 0.5) * 2]) as unknown as [number];
  const bits = new Int32Array(new Float32Array([low]).buffer);
  const [high] = new Float32Array(new Int32Array([(bits[0] ?? 0) + 1]).buffer) as unknown as [number];
  const middle = (low + high) / 2;
  return `${middle.toFixed(20)}${["", "1", "0"][int(0, 3)]}`;
}

const snippets = [" ", ",", "]", "[", "null", "01", "1.", ".5", "+1", "-", "1e", "NaN", '"1"', "true", "}", "1]", "[1"];

test("rows that are read straight from the bytes are those of JSON.parse to the bit, or are left to it", () => {
  let scanned = 0;
  let left = 0;
  for (let at = 0; at < 8_000; at += 1) {
    const width = int(1, 5);
    const spec: TensorSpec = { name: "x", dtype: next() < 0.7 ? "float32" : "float64", shape: [-1, width] };
    const text = (): string => (next() < 0.1 ? nearMiddle() : numberText());
    const rows = Array.from({ length: int(1, 4) }, () => `[${Array.from({ length: width }, text).join(",")}]`);
    let body = `{"instances":[${rows.join(",")}]}`;
    if (next() < 0.3) {
      const place = int(0, body.length);
      body = `${body.slice(0, place)}${snippets[int(0, snippets.length)]}${body.slice(place + int(0, 3))}`;
    }
    const bytes = Buffer.from(body);
    const tensor = scanInstances(spec, bytes);
    if (tensor === undefined) {
      left += 1;
      continue;
    }
    scanned += 1;
    const general = stackRows(spec, jsonObjectOf(bytes)["instances"] as readonly unknown[]);
    expect(tensor.shape, body).toEqual(general.shape);
    const raw = ({ data }: typeof tensor): Buffer => {
      const { buffer, byteOffset, byteLength } = data as Float32Array;
      return Buffer.from(buffer, byteOffset, byteLength);
    };
    expect(raw(tensor).equals(raw(general)), body).toBe(true);
  }
  expect(scanned).toBeGreaterThan(800);
  expect(left).toBeGreaterThan(800);
});

test("nearly all that libraries write of single precision is read straight from the bytes; other shapes and types never are", () => {
  const spec: TensorSpec = { name: "x", dtype: "float32", shape: [-1, 8] };
  let scanned = 0;
  for (let at = 0; at < 1_000; at += 1) {
    const row = Array.from({ length: 8 }, () => Math.fround((next() - 0.5) * 10 ** int(-5, 6)));
    const body = Buffer.from(JSON.stringify({ instances: [row, row] }));
    const tensor = scanInstances(spec, body);
    if (tensor === undefined) continue;
    scanned += 1;
    expect([...(tensor.data as Float32Array)]).toEqual([...row, ...row]);
  }
  expect(scanned).toBeGreaterThan(900);
  const body = Buffer.from('{"instances":[[1,2]]}');
  expect(scanInstances({ name: "x", dtype: "float32", shape: [-1, 2] }, body)?.shape).toEqual([1, 2]);
  for (const other of [
    { name: "x", dtype: "int32", shape: [-1, 2] },
    { name: "x", dtype: "float32", shape: [-1, 3] },
    { name: "x", dtype: "float32", shape: [-1, -1] },
    { name: "x", dtype: "float32", shape: [-1, 1, 2] },
    { name: "x", dtype: "float32", shape: [1, 2] },
    { name: "x", dtype: "string", shape: [-1, 2] },
  ] as const)
    expect(scanInstances(other, body)).toBeUndefined();
});
