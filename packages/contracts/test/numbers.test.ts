import {
  type NumericValue,
  type Tensor,
  canonicalJson,
  createDigestBuilder,
  createRandom,
  decodeNumbers,
  decodeTensor,
  digestOf,
  digestOfJson,
  encodeNumbers,
  encodeTensor,
} from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const throughJson = (value: NumericValue): NumericValue =>
  decodeNumbers(JSON.parse(JSON.stringify(encodeNumbers(value))));

describe("numbers that JSON has no text for", () => {
  test("come back exactly: 64-bit integers, NaN, infinities, negative zero, the least of the small", () => {
    const odd = [
      2n ** 63n - 1n,
      -(2n ** 63n),
      0n,
      Number.NaN,
      Infinity,
      -Infinity,
      -0,
      0,
      1e-320,
      5e-324,
      1.7976931348623157e308,
    ];
    const back = throughJson(odd) as readonly NumericValue[];
    expect(back).toHaveLength(odd.length);
    for (const [index, value] of odd.entries()) expect(Object.is(back[index], value), String(value)).toBe(true);
  });

  test("are found in any depth, and everything else is left as it is", () => {
    const value = { a: [{ b: -0, c: null, d: "NaN", e: true }], "": { f: 1n }, g: [] };
    expect(throughJson(value)).toEqual(value);
    expect(encodeNumbers({ x: 1.5, y: "12n" })).toEqual({ x: 1.5, y: "12n" });
    expect(encodeNumbers({ x: undefined })).toEqual({});
  });

  test("an object of the caller's own that looks like a mark survives", () => {
    for (const value of [{ $number: "NaN" }, { $number: { $number: 1n } }, { $number: "object", value: { a: 1 } }]) {
      expect(throughJson(value)).toEqual(value);
    }
  });

  test("a member named __proto__ is a member", () => {
    const value = JSON.parse('{"__proto__": 1}') as NumericValue;
    expect(JSON.stringify(encodeNumbers(value))).toBe('{"__proto__":1}');
    expect(Object.getPrototypeOf(throughJson(value))).toBe(Object.prototype);
  });

  test("a mark nobody made is refused, with its place", () => {
    expect(() => decodeNumbers({ a: [{ $number: "one" }] })).toThrow("at $.a[0].$number: expected NaN");
    expect(() => decodeNumbers({ $number: 1 })).toThrow(
      expect.objectContaining({ code: "CONTRACTS_VALUE_INVALID" }) as never,
    );
  });

  test("random trees of odd numbers come back", () => {
    const random = createRandom(11);
    const leaves = [Number.NaN, -0, 1n << 62n, -1n, 0.1, "x", null, true];
    const tree = (depth: number): NumericValue => {
      const kind = depth === 0 ? 0 : random.integer(3);
      if (kind === 0) return leaves[random.integer(leaves.length)] as NumericValue;
      const children = Array.from({ length: random.integer(4) }, () => tree(depth - 1));
      return kind === 1
        ? children
        : Object.fromEntries(children.map((child, index) => [index === 1 ? "$number" : `k${index}`, child]));
    };
    for (let round = 0; round < 500; round += 1) {
      const value = tree(4);
      expect(throughJson(value)).toEqual(value);
    }
  });
});

describe("tensors as JSON", () => {
  const tensors: readonly Tensor[] = [
    { dtype: "float32", shape: [2, 2], data: Float32Array.of(0.1, Number.NaN, -0, Infinity) },
    { dtype: "float64", shape: [3], data: Float64Array.of(1e-320, -Infinity, 0.1) },
    { dtype: "int64", shape: [2], data: BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)) },
    { dtype: "uint64", shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
    { dtype: "int8", shape: [2], data: Int8Array.of(-128, 127) },
    { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
    { dtype: "string", shape: [2], data: ["NaN", ""] },
    { dtype: "uint32", shape: [0, 3], data: new Uint32Array() },
    { dtype: "int32", shape: [], data: Int32Array.of(7) },
  ];

  test("come back exactly", () => {
    for (const tensor of tensors) {
      const back = decodeTensor(JSON.parse(JSON.stringify(encodeTensor(tensor))));
      expect(back).toEqual(tensor);
      for (const [index, value] of [...tensor.data].entries()) expect(Object.is(back.data[index], value)).toBe(true);
    }
  });

  test("items that do not fit the type, or a number of them that does not fit the shape, are refused", () => {
    const refusal = expect.objectContaining({ code: "CONTRACTS_VALUE_INVALID" }) as never;
    for (const [dtype, item] of [
      ["int8", 128],
      ["int8", 1.5],
      ["uint32", -1],
      ["int64", 2 ** 53],
      ["int64", "9223372036854775808"],
      ["int64", ""],
      ["uint64", "-1"],
      ["float32", "1"],
      ["float64", true],
      ["bool", 1],
      ["string", 1],
    ] as const) {
      expect(() => decodeTensor({ dtype, shape: [1], data: [item] }), `${dtype} ${item}`).toThrow(refusal);
    }
    expect(() => decodeTensor({ dtype: "int8", shape: [2, 2], data: [1] })).toThrow(
      "expected 4 items for the shape [2, 2]",
    );
  });
});

describe("canonical JSON and digests", () => {
  test("is the text of RFC 8785, section 3.2.3", () => {
    const value = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    const sorted = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"] as const;
    const expected = sorted.map((key) => `${JSON.stringify(key)}:${JSON.stringify(value[key])}`).join(",");
    expect(canonicalJson(value)).toBe(`{${expected}}`);
  });

  test("writes numbers and strings as RFC 8785, section 3.2.2, does", () => {
    const numbers = [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0];
    expect(
      canonicalJson({ numbers, literals: [null, true, false], string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/" }),
    ).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test("refuses what JSON cannot carry, naming the place", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = [cycle];
    for (const [value, place] of [
      [Number.NaN, "$"],
      [{ a: [1n] }, "$.a[0]"],
      [{ a: undefined, b: [undefined] }, "$.b[0]"],
      [new Date(0), "Date at $"],
      [{ m: new Map() }, "Map at $.m"],
      ["\ud800", "$"],
      [cycle, "$.self[0]"],
    ] as const) {
      expect(() => canonicalJson(value)).toThrow(TypeError);
      expect(() => canonicalJson(value)).toThrow(place);
    }
    const shared = { a: 1 };
    expect(canonicalJson([shared, shared])).toBe('[{"a":1},{"a":1}]');
  });

  test("equal values have equal digests, whatever the order of their keys", () => {
    expect(digestOfJson({ a: 1, b: { c: 2, d: 3 } })).toBe(digestOfJson({ b: { d: 3, c: 2 }, a: 1 }));
    expect(digestOfJson({ a: 1, b: undefined })).toBe(digestOfJson({ a: 1 }));
    expect(digestOfJson([1, 2])).not.toBe(digestOfJson([2, 1]));
    expect(digestOf("")).toBe("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const builder = createDigestBuilder();
    builder.update(Uint8Array.of(97));
    expect(builder.digest()).toBe(digestOf("a"));
    builder.update(Uint8Array.of(98, 99));
    expect(builder.digest()).toBe(digestOf("abc"));
  });
});
