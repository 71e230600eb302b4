import { readFile } from "node:fs/promises";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { digestWeights, readWeights } from "../src/model-state.ts";
import { initialLossScale, type LossScaling, stepLossScale } from "../src/precision/loss-scale.ts";
import { roundTo, usePrecision } from "../src/precision/mixed-precision.ts";
import { checkOptimization } from "../src/optimization.ts";
import { TrainingLoop } from "../src/training-loop.ts";
import { digestsOfResumes, keepCheckpoints, loopOptions, tensorFlow } from "./loop-setting.ts";

interface Golden {
  readonly cases: readonly {
    readonly options: Readonly<Record<string, number>>;
    readonly finite: readonly boolean[];
    readonly steps: readonly (readonly [scale: number, good: number, taken: boolean])[];
  }[];
}

test("TR-18: the loss scale goes as PyTorch's GradScaler has it go, number for number", async () => {
  const golden = JSON.parse(await readFile(new URL("golden/loss-scale.json", import.meta.url), "utf8")) as Golden;
  for (const { options, finite, steps } of golden.cases) {
    const scaling: LossScaling = {
      initial: options["init_scale"],
      growth: options["growth_factor"],
      backoff: options["backoff_factor"],
      interval: options["growth_interval"],
    };
    let state = initialLossScale(scaling);
    const seen = finite.map((good) => {
      state = stepLossScale(state, good, scaling);
      return [state.scale, state.goodSteps, good];
    });
    expect(seen).toEqual(steps);
  }
});

type Options = Awaited<ReturnType<typeof loopOptions>>;
const precision = { kind: "float16", simulated: true, lossScale: { initial: 1_024, interval: 3 } } as const;

/** Eight steps, of which those numbered have gradients that are no numbers. */
async function scaled(infinite: readonly number[], more: Partial<Options> = {}): Promise<Options> {
  const options = await loopOptions({ optimization: { precision }, ...more });
  const { tf, ready } = options;
  let step = 0;
  const watch = { name: "watch", onBatchStart: (run: { step: number }) => void (step = run.step) };
  const loss: Options["ready"]["loss"] = (labels, predictions) =>
    tf.mul(ready.loss(labels, predictions), infinite.includes(step) ? Infinity : 1);
  return { ...options, ready: { ...ready, loss }, callbacks: [watch, ...(options.callbacks ?? [])] };
}

test("TR-18: a step whose gradients are infinite is skipped, the scale halves, and grows after so many good steps", async () => {
  const { all, save } = keepCheckpoints();
  const options = await scaled([1, 2], { save, checkpointSteps: 1 });
  const result = await new TrainingLoop(options).run();
  const scales = [...all.entries()].map(([, { state }]) => (state["lossScale"] as { scale: number }).scale);
  expect(scales).toEqual([1_024, 512, 256, 256, 256, 512, 512, 512]);
  expect(result.epochs.map(({ skipped }) => skipped)).toEqual([2, undefined]);
  expect(result.lossScale).toEqual({ scale: 512, goodSteps: 2, skipped: 0 });
  const weightsAfter = (step: number) => all.get(step)?.parts.filter(({ name }) => name.startsWith("model/"));
  expect(weightsAfter(2)).toEqual(weightsAfter(1));
  expect(weightsAfter(3)).toEqual(weightsAfter(1));
  expect(weightsAfter(4)).not.toEqual(weightsAfter(1));
  await expect(
    new TrainingLoop(
      await scaled(
        Array.from({ length: 200 }, (_, step) => step),
        { epochs: 40 },
      ),
    ).run(),
  ).rejects.toMatchObject({
    code: "TRAINER_LOSS_NOT_FINITE",
  });
});

test("TR-18: the scale is part of the checkpoint: a resume from any step ends with the same bits", async () => {
  const digests = await digestsOfResumes(() => scaled([1, 5]));
  expect(digests.length).toBeGreaterThan(7);
  expect(new Set(digests).size).toBe(1);
});

test("TR-18: a scale that is a power of two changes no bit of a float32 step, and a simulated one few", async () => {
  const weightsOf = async (optimization: Options["optimization"], simulate = false): Promise<readonly number[]> => {
    const options = await loopOptions({ optimization });
    if (simulate && optimization?.precision !== undefined)
      usePrecision(options.tf, options.ready.model, optimization.precision);
    await new TrainingLoop(options).run();
    return (await readWeights(options.ready.model)).flatMap(({ data }) => [...data]);
  };
  const plain = await weightsOf({});
  expect(await weightsOf({ precision })).toEqual(plain);
  for (const kind of ["float16", "bfloat16"] as const) {
    const rounded = await weightsOf({ precision: { kind, simulated: true, lossScale: { initial: 64 } } }, true);
    expect(rounded).not.toEqual(plain);
    for (const [index, weight] of rounded.entries())
      expect(weight).toBeCloseTo(plain[index] ?? 0, kind === "float16" ? 2 : 1);
  }
});

/** The nearest number with so many significant bits, exponents from `least` on, and a largest. Ties to even. */
function nearest(value: number, bits: number, least: number, largest: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.max(least, Math.floor(Math.log2(Math.abs(value)))) - bits + 1);
  const whole = Math.floor(value / unit);
  const rest = value / unit - whole;
  const rounded = (rest > 0.5 || (rest === 0.5 && whole % 2 !== 0) ? whole + 1 : whole) * unit;
  return Math.abs(rounded) > largest ? rounded * Infinity : rounded;
}

test("TR-18: numbers and gradients are rounded to those that 16 bits have, out of range to infinity", async () => {
  const tf = await tensorFlow();
  const random = createRandom(8);
  const values = Float32Array.from({ length: 5_000 }, () => random.normal() * 2 ** (random.integer(44) - 26));
  const kinds = { float16: [11, -14, 65_504], bfloat16: [8, -126, Infinity] } satisfies Record<
    string,
    [number, number, number]
  >;
  for (const kind of ["float16", "bfloat16"] as const) {
    const wanted = Float32Array.from(values, (value) => nearest(value, ...kinds[kind]));
    expect(await roundTo(tf, kind, tf.tensor1d(values)).data()).toEqual(wanted);
    const gradient = tf.grad((x) => tf.sum(tf.mul(roundTo(tf, kind, x), tf.tensor1d(values))))(
      tf.zeros([values.length]),
    );
    expect(await gradient.data()).toEqual(wanted);
  }
});

test("TR-18: what no backend computes is refused, and wrong options are", async () => {
  const { tf, ready } = await loopOptions();
  expect(() => usePrecision(tf, ready.model, { kind: "float16" })).toThrow(
    expect.objectContaining({ code: "TRAINER_PRECISION_UNSUPPORTED" }) as Error,
  );
  for (const wrong of [{ growth: 1 }, { backoff: 1 }, { interval: 0 }, { initial: 0 }, { initial: 1e39 }])
    expect(() => checkOptimization({ precision: { kind: "float16", lossScale: wrong } })).toThrow(
      /precision\.lossScale/,
    );
  expect(() => checkOptimization({ precision: { kind: "int8" as "float16" } })).toThrow(/precision\.kind/);
  expect(await digestWeights(ready.model)).toMatch(/^[0-9a-f]{64}$/);
});
