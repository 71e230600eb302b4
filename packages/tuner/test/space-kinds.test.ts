import { createRandom, hasCode } from "@millwright/contracts";
import {
  type ParamsOf,
  type Space,
  bool,
  categorical,
  constant,
  float,
  int,
  linear,
  openStudy,
  ordinal,
  permutation,
  randomSampler,
  rule,
  subset,
  when,
} from "@millwright/tuner";
import { expect, expectTypeOf, test } from "vitest";
import { createEncoding } from "../src/samplers/encoding.ts";
import { contains, validateParams } from "../src/space-check.ts";

const space = {
  optimizer: categorical(["adam", "sgd"]),
  momentum: when("optimizer", ["sgd"], float(0, 0.99, { reverseLog: true })),
  nesterov: when("momentum", { atLeast: 0.5 }, bool()),
  width: ordinal([16, 32, 128]),
  layers: int(1, 4),
  dropout: float(0, 0.3, { step: 0.1 }),
  rate: float(1e-4, 1e-1, { log: true }),
  version: constant("v1"),
  order: permutation(["a", "b", "c"]),
  inputs: subset(["w", "x", "y", "z"], { min: 1, max: 3 }),
};

test("parameters with conditions may be absent, lists are lists, and a constant is itself", () => {
  expectTypeOf<ParamsOf<typeof space>>().toEqualTypeOf<{
    readonly optimizer: "adam" | "sgd";
    readonly momentum?: number | undefined;
    readonly nesterov?: boolean | undefined;
    readonly width: 16 | 32 | 128;
    readonly layers: number;
    readonly dropout: number;
    readonly rate: number;
    readonly version: "v1";
    readonly order: readonly ("a" | "b" | "c")[];
    readonly inputs: readonly ("w" | "x" | "y" | "z")[];
  }>();
});

test("draws are in the space, with the parameters whose conditions hold and no others", () => {
  const random = createRandom(3);
  const orders = new Set<string>();
  const sizes = [0, 0, 0, 0];
  let active = 0;
  for (let draw = 0; draw < 20_000; draw += 1) {
    const { params } = randomSampler().suggest(space, { direction: "minimize", trials: [] }, random);
    validateParams(space, params);
    if (params["momentum"] !== undefined) active += 1;
    expect(params["nesterov"] === undefined).toBe(((params["momentum"] as number | undefined) ?? 0) < 0.5);
    orders.add(String(params["order"]));
    const { length } = params["inputs"] as readonly string[];
    sizes[length] = (sizes[length] as number) + 1;
  }
  expect(orders.size).toBe(6);
  expect(active / 20_000).toBeCloseTo(0.5, 1);
  // 4, 6 and 4 subsets have one, two and three items.
  expect(sizes.map((count) => count / 20_000)).toEqual([
    0,
    expect.closeTo(4 / 14, 1),
    expect.closeTo(6 / 14, 1),
    expect.closeTo(4 / 14, 1),
  ]);
});

test("a grid's values are those that a person would write", () => {
  const encoding = createEncoding({ dropout: space.dropout });
  const values = [0.1, 0.3, 0.6, 0.9].map((at) => encoding.decode([at])["dropout"]);
  expect(values).toEqual([0, 0.1, 0.2, 0.3]);
});

test("every draw comes back from its point of the unit cube", () => {
  const encoding = createEncoding(space);
  const random = createRandom(9);
  for (let draw = 0; draw < 5_000; draw += 1) {
    const { params } = randomSampler().suggest(space, { direction: "minimize", trials: [] }, random);
    const point = encoding.encode(params);
    expect(point.every((coordinate) => coordinate >= 0 && coordinate <= 1)).toBe(true);
    const back = encoding.decode(point);
    for (const [name, value] of Object.entries(params)) {
      if (typeof value === "number") expect(back[name]).toBeCloseTo(value, 10);
      else expect(back[name]).toEqual(value);
    }
    expect(Object.keys(back)).toEqual(Object.keys(params));
  }
});

test("every point of the cube is a value of the space, and all values are reached alike", () => {
  const encoding = createEncoding(space);
  const random = createRandom(5);
  const widths = new Map<unknown, number>();
  for (let draw = 0; draw < 20_000; draw += 1) {
    const params = encoding.decode(encoding.dimensions.map(() => random.next()));
    validateParams(space, params);
    widths.set(params["width"], (widths.get(params["width"]) ?? 0) + 1);
  }
  for (const count of widths.values()) expect(count / 20_000).toBeCloseTo(1 / 3, 1);
  expect(encoding.dimensions.map(({ kind }) => kind)).not.toContain(undefined);
  expect(encoding.dimensions.some(({ parameter }) => parameter === "version")).toBe(false);
});

test("a snapped point stands where its values do", () => {
  const encoding = createEncoding({ units: int(1, 4), rate: float(0, 1), kind: categorical(["a", "b"]) });
  expect([...encoding.snap(Float64Array.of(0.3, 0.3, 0.9))]).toEqual([0.375, 0.3, 0.75]);
});

test("known constraints hold in every draw, and what they forbid cannot be enqueued", async () => {
  const constrained = { a: float(0, 10), b: float(0, 10), kind: categorical(["x", "y"]) };
  const constraints = [
    linear({ a: 1, b: 2 }, { atMost: 10 }),
    rule("x needs a small a", ({ a, kind }) => kind === "y" || (a as number) < 2),
  ];
  const random = createRandom(1);
  for (let draw = 0; draw < 20_000; draw += 1) {
    const { params } = randomSampler().suggest(constrained, { direction: "minimize", trials: [], constraints }, random);
    const { a, b, kind } = params as ParamsOf<typeof constrained>;
    if (a + 2 * b > 10 || (kind === "x" && a >= 2)) throw new Error(`${a}, ${b}, ${kind} is forbidden.`);
  }
  await using study = await openStudy({ name: "constrained", space: constrained, direction: "minimize", constraints });
  await expect(study.enqueue({ a: 9, b: 9, kind: "y" })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_PARAMS_FORBIDDEN"),
  );
});

test("constraints that contradict each other are named as such", async () => {
  const constraints = [linear({ x: 1 }, { atLeast: 0.9 }), linear({ x: 1 }, { atMost: 0.1 })];
  await using study = await openStudy({ name: "never", space: { x: float(0, 1) }, direction: "minimize", constraints });
  await expect(study.ask()).rejects.toSatisfy((error) => hasCode(error, "TUNER_CONSTRAINTS_UNSATISFIABLE"));
});

test("a study has several objectives, told together", async () => {
  await using study = await openStudy({ name: "two", space: { x: float(0, 1) }, directions: ["minimize", "maximize"] });
  await study.optimize(({ params }) => [params.x, params.x ** 2], { trials: 4 });
  const [first] = await study.trials();
  expect(first?.values).toEqual([first?.params["x"], (first?.params["x"] as number) ** 2]);
  expect(first?.value).toBeUndefined();
  const { number } = await study.ask();
  await expect(study.tell(number, { state: "completed", value: 1 })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_VALUE_INVALID"),
  );
});

test("the best trial is a feasible one where there is any", async () => {
  await using study = await openStudy({ name: "measured", space: { x: float(0, 1) }, direction: "minimize" });
  for (const [x, excess] of [
    [0.1, 0.5],
    [0.2, 0.1],
    [0.9, -1],
  ] as const) {
    await study.enqueue({ x });
    const trial = await study.ask();
    await study.tell(trial.number, { state: "completed", value: x, constraints: [excess] });
  }
  expect((await study.best()).value).toBe(0.9);
});

const odd = {
  "no parameter": [{}, "(none)"],
  "a parent that is not there": [{ x: when("mode", ["a"], float(0, 1)) }, "x"],
  "a value that the parent never has": [{ mode: categorical(["a"]), x: when("mode", ["b"], float(0, 1)) }, "x"],
  "bounds that the parent never meets": [{ n: int(1, 3), x: when("n", { atLeast: 4 }, float(0, 1)) }, "x"],
  "bounds of a parent without numbers": [
    { mode: categorical(["a"]), x: when("mode", { atLeast: 1 }, float(0, 1)) },
    "x",
  ],
  "a circle": [{ a: when("b", [true], bool()), b: when("a", [true], bool()) }, "a"],
  "a reverse logarithm at 1": [{ x: float(0, 1, { reverseLog: true }) }, "x"],
  "two scales": [{ x: float(0.1, 0.5, { reverseLog: true, log: true }) }, "x"],
  "a subset larger than its items": [{ x: subset(["a"], { max: 2 }) }, "x"],
  "an empty permutation": [{ x: permutation([]) }, "x"],
} satisfies Record<string, readonly [Space, string]>;

for (const [what, [invalid, name]] of Object.entries(odd)) {
  test(`a space with ${what} is refused by name`, async () => {
    await expect(openStudy({ name: "odd", space: invalid, direction: "minimize" })).rejects.toSatisfy(
      (error) => hasCode(error, "TUNER_SPACE_INVALID") && error.message.includes(`"${name}"`),
    );
  });
}

test("one choice, equal ends and a step beyond the range leave one value", () => {
  const single = { kind: categorical(["only"]), x: float(2, 2), n: int(3, 3), s: float(1, 2, { step: 5 }) };
  const { params } = randomSampler().suggest(single, { direction: "minimize", trials: [] }, createRandom(0));
  expect(params).toEqual({ kind: "only", x: 2, n: 3, s: 1 });
  expect(createEncoding(single).dimensions).toEqual([]);
  expect(createEncoding(single).decode([])).toEqual(params);
});

test("a value of another kind is outside", () => {
  expect(contains(space.order, ["a", "b"])).toBe(false);
  expect(contains(space.order, ["c", "a", "b"])).toBe(true);
  expect(contains(space.inputs, ["x", "w"])).toBe(false);
  expect(contains(space.inputs, [])).toBe(false);
  expect(contains(space.version, "v2")).toBe(false);
  expect(() =>
    validateParams({ m: categorical(["a", "b"]), x: when("m", ["a"], float(0, 1)) }, { m: "b", x: 0.5 }),
  ).toThrow("conditions do not hold");
});
