import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ResolvedModel, hasCode } from "@millwright/contracts";
import { modelRuntimeContract, type ModelRuntimeFixture } from "@millwright/contracts/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type LinearModel,
  compileLinear,
  goldenRequest,
  linearRuntime,
  loadModel,
  packModel,
  writeLinearModel,
} from "../src/index.ts";

const model: LinearModel = {
  formatVersion: 1,
  features: ["x", "z"],
  coefficients: [
    [1, 2],
    [0, -1],
  ],
  intercepts: [0.5, 1],
  link: "identity",
};

let root = "";
let made = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-linear-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const x = { dtype: "float64", shape: [2], data: Float64Array.of(1, 2) } as const;
const z = { dtype: "float64", shape: [2], data: Float64Array.of(10, 20) } as const;
const answer = { dtype: "float64", shape: [2, 2], data: Float64Array.of(21.5, -9, 42.5, -19) } as const;

async function packed(): Promise<ResolvedModel> {
  made += 1;
  const golden = [goldenRequest({ x, z }, { prediction: answer }, 0)];
  return packModel(join(root, String(made)), { name: "line", format: "linear", ...writeLinearModel(model), golden });
}

const codeOf = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    return (error as { readonly code?: string }).code;
  }
};

test("several outputs go through the softmax, one through the logistic function", () => {
  const both = new Float64Array(2);
  compileLinear({ ...model, link: "softmax", classes: ["a", "b"] }).predict(
    [Float64Array.of(-1), Float64Array.of(0.5)],
    both,
  );
  // Sums of 0.5 both.
  expect([...both]).toEqual([0.5, 0.5]);
  const one = new Float64Array(1);
  compileLinear({ ...model, coefficients: [[1, 2]], intercepts: [-3], link: "logistic" }).predict(
    [Float64Array.of(1), Float64Array.of(1)],
    one,
  );
  expect(one[0]).toBe(0.5);
});

test.each([
  ["an intercept that is missing", { intercepts: [1] }],
  [
    "a coefficient that is no number",
    {
      coefficients: [
        [1, Number.NaN],
        [0, 1],
      ],
    },
  ],
  ["classes without a softmax", { classes: ["a", "b"] }],
  ["a softmax without classes", { link: "softmax" }],
  ["two columns of one name", { features: ["x", "x"] }],
] as const)("%s is refused when written and when read", async (_, change) => {
  const wrong = { ...model, ...change } as LinearModel;
  expect(codeOf(() => writeLinearModel(wrong))).toBe("MODEL_LINEAR_INVALID");
  const good = await packed();
  await writeFile(join(good.directory, "linear.json"), JSON.stringify(wrong));
  const error: unknown = await loadModel(good, [linearRuntime()]).catch((thrown: unknown) => thrown);
  expect(hasCode(error, "PORT_MODEL_CORRUPT"), String(error)).toBe(true);
});

test("columns of different lengths are refused", async () => {
  await using loaded = await loadModel(await packed(), [linearRuntime()]);
  expect(codeOf(() => loaded.predict({ x, z: { ...z, shape: [1], data: Float64Array.of(1) } }))).toBe(
    "MODEL_INPUT_MISMATCH",
  );
});

describe("the runtime keeps the port's promises:", () => {
  let fixture: ModelRuntimeFixture;
  beforeAll(async () => {
    const { directory, manifest } = await packed();
    const { directory: corruptDirectory } = await packed();
    await writeFile(join(corruptDirectory, "linear.json"), "{");
    fixture = { runtime: linearRuntime(), directory, manifest, corruptDirectory };
  });
  for (const { name, appliesTo, run } of modelRuntimeContract) {
    test(name, async ({ skip }) => {
      if (appliesTo?.(fixture) === false) skip("the case asks for a package that this runtime is not given");
      await run(fixture);
    });
  }
});
