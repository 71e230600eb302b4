import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createRandom } from "@millwright/contracts";
import { afterEach, describe, expect, it, vi } from "vitest";
import { categorical, float, int } from "@millwright/tuner";
import type * as Gp from "../src/gp/gaussian-process.ts";
import type * as Fit from "../src/gp/hyperparameters.ts";
import type { Sampler, Trial } from "../src/trial.ts";
import type { Space } from "../src/space.ts";

interface Modules {
  readonly gp: typeof Gp;
  readonly fit: typeof Fit;
  readonly samplers: { readonly gp: Sampler; readonly tpe: Sampler };
  /** Whether WebAssembly is used. */
  readonly quick: boolean;
}

/** The modules anew, with or without WebAssembly. */
async function load(quick: boolean): Promise<Modules> {
  vi.resetModules();
  if (!quick) vi.stubGlobal("WebAssembly", undefined);
  const { machine } = await import("../src/simd/machine.ts");
  const { gpSampler } = await import("../src/samplers/gp.ts");
  const { tpeSampler } = await import("../src/samplers/tpe.ts");
  const modules = {
    gp: await import("../src/gp/gaussian-process.ts"),
    fit: await import("../src/gp/hyperparameters.ts"),
    samplers: { gp: gpSampler(), tpe: tpeSampler() },
    quick: machine() !== undefined,
  };
  vi.unstubAllGlobals();
  return modules;
}

afterEach(() => vi.unstubAllGlobals());

const both = async (): Promise<readonly [quick: Modules, slow: Modules]> => {
  const modules = [await load(true), await load(false)] as const;
  expect(modules.map(({ quick }) => quick)).toEqual([true, false]);
  return modules;
};

const numbers = (count: number, seed: number): Float64Array => {
  const random = createRandom(seed);
  return Float64Array.from({ length: count }, () => random.next());
};

function study(space: Space, sampler: Sampler, made: number, asked: number, running = 0): Trial[] {
  const random = createRandom(made);
  const trials: Trial[] = [];
  const add = (params: Trial["params"], explanation: Trial["explanation"]): void => {
    const number = trials.length;
    const value = Object.values(params).reduce<number>(
      (sum, x) => sum + (typeof x === "number" ? (x - 0.3) ** 2 : 0.1),
      0,
    );
    const done = number >= made || number < made - running;
    const outcome = done ? { state: "completed" as const, value, values: [value] } : { state: "running" as const };
    trials.push({ number, params, intermediates: [], attributes: {}, explanation, ...outcome } as unknown as Trial);
  };
  for (let index = 0; index < made; index += 1)
    add(Object.fromEntries(Object.entries(space).map(([name, parameter]) => [name, drawn(parameter, random)])), {});
  for (let index = 0; index < asked; index += 1) {
    const { params, explanation } = sampler.suggest(space, { direction: "minimize", trials }, createRandom(index));
    add(params, explanation);
  }
  return trials.slice(made);
}

function drawn(parameter: Space[string], random: ReturnType<typeof createRandom>): number | string {
  if (parameter.kind === "categorical") return parameter.choices[random.integer(parameter.choices.length)] as string;
  return parameter.kind === "int" ? random.integer(9) : random.next();
}

const floats = (count: number): Space =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`x${index}`, float(0, 1)]));
const mixed: Space = { ...floats(2), layers: int(0, 8), kind: categorical(["a", "b", "c"]) };

describe("what is computed two numbers at a time", () => {
  it.each([
    ["seven floats", floats(7), 30, 3],
    ["mixed kinds", mixed, 43, 3],
    ["more observations than are looked at first", floats(3), 230, 2],
  ])("gives gpSampler the same suggestions to the bit: %s", async (_, space, made, asked) => {
    const [quick, slow] = await both();
    expect(study(space, quick.samplers.gp, made, asked)).toEqual(study(space, slow.samplers.gp, made, asked));
    expect(study(space, quick.samplers.gp, 25, 1, 3)).toEqual(study(space, slow.samplers.gp, 25, 1, 3));
  });

  it.each([
    ["five floats", floats(5), 400],
    ["nine floats", floats(9), 200],
    ["mixed kinds", mixed, 300],
    ["one float", floats(1), 150],
  ])("gives tpeSampler the same suggestions to the bit: %s", async (_, space, made) => {
    const [quick, slow] = await both();
    expect(study(space, quick.samplers.tpe, made, 40)).toEqual(study(space, slow.samplers.tpe, made, 40));
  });

  it.each([1e-2, 30, 1e4])("gives the same posterior where weights are %d, to where e^−r is 0", async (weight) => {
    const [quick, slow] = await both();
    const dimensions = 31;
    const answers = [quick, slow].map(({ gp }) => {
      const model = gp.conditionGaussianProcess(
        { dimensions, categorical: Array.from({ length: dimensions }, (_, k) => k === 4) },
        { weights: new Float64Array(dimensions).fill(weight), scale: 1.3, noise: 1e-3 },
        { points: numbers(21 * dimensions, 1), targets: numbers(21, 2) },
      );
      const asked = numbers(9 * dimensions, 3);
      // One that is known, and one all but the same.
      asked.set(numbers(21 * dimensions, 1).subarray(0, dimensions), dimensions);
      asked.set(
        numbers(21 * dimensions, 1)
          .subarray(0, dimensions)
          .map((x) => x + 1e-12),
        0,
      );
      const at = model.at(asked.subarray(dimensions, 2 * dimensions));
      const gradient = new Float64Array(dimensions);
      at.pull(0.7, -0.2, gradient);
      return [model.posterior(asked, 9, 2), model.outlook(asked, 9, 10), at.mean, at.variance, gradient];
    });
    expect(answers[0]).toEqual(answers[1]);
  });

  it("keeps models apart that take turns", async () => {
    const [quick, slow] = await both();
    const answers = [quick, slow].map(({ gp }) => {
      const models = [2, 3].map((seed) =>
        gp.conditionGaussianProcess(
          { dimensions: 3 },
          { weights: Float64Array.of(1, 2, 3), scale: 1, noise: 1e-2 },
          { points: numbers(17 * 3, seed), targets: numbers(17, seed) },
        ),
      );
      return Array.from({ length: 30 }, (_, turn) => {
        const points = numbers(4 * 3, turn);
        const ats = models.map((model) => model.at(points.subarray(0, 3)));
        return ats.map(({ mean, variance, solved, pull, pullSolved }, index) => {
          const gradient = new Float64Array(3);
          pull(1, 2, gradient);
          pullSolved(numbers(17, turn), gradient);
          return { mean, variance, solved: solved.slice(), gradient, batch: models[index]?.posterior(points, 4) };
        });
      });
    });
    expect(answers[0]).toEqual(answers[1]);
  });

  it.each([12, 13, 40, 61])("gives the same likelihood of %d observations, and the same fit", async (count) => {
    const [quick, slow] = await both();
    for (const dimensions of [1, 4, 7]) {
      const observations = { points: numbers(count * dimensions, count), targets: numbers(count, 7) };
      const answers = [quick, slow].map(({ fit }) => {
        const target = fit.negativeLogPosterior({ dimensions }, observations);
        const gradient = new Float64Array(dimensions + 2);
        const value = target(
          numbers(dimensions + 2, 3).map((x) => 2 * x - 3),
          gradient,
        );
        return { value, gradient, fitted: fit.fitHyperparameters({ dimensions }, observations) };
      });
      expect(answers[0]).toEqual(answers[1]);
    }
  });

  it("is what its source compiles to", { timeout: 300_000 }, async () => {
    const script = fileURLToPath(new URL("../../../scripts/wasm.mjs", import.meta.url));
    await expect(promisify(execFile)(process.execPath, [script, "--check"])).resolves.toMatchObject({ stderr: "" });
  });
});
