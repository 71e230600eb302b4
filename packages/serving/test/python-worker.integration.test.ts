import { spawnSync } from "node:child_process";
import { denseRuntime, loadModel } from "@millwright/model";
import { expect, type TestContext, test } from "vitest";
import { type IsolatedRuntimeOptions, isolatedRuntime, pythonCommand } from "../src/isolation.ts";
import { asked, everyType, obedient } from "./isolation-setting.ts";
import { matrix, packFolder } from "./models.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const ciRuns = process.env["CI"] === "true";
const hasPython = spawnSync(python, ["--version"]).status === 0;
const hasNumpy = spawnSync(python, ["-c", "import numpy"]).status === 0;
const program = new URL("./fixtures/worker.py", import.meta.url);

function inPython(context: TestContext, numpy: boolean, options: Partial<IsolatedRuntimeOptions> = {}) {
  context.skip(!hasPython && !ciRuns, `there is no ${python}; name one in MILLWRIGHT_PYTHON`);
  context.skip(numpy && !hasNumpy && !ciRuns, `${python} has no numpy; name one that has in MILLWRIGHT_PYTHON`);
  return isolatedRuntime({
    formats: ["echo", "dense", "obedient"],
    command: pythonCommand(program, { python, args: numpy ? [] : ["--without-numpy"] }),
    backoffMs: { first: 20, most: 200 },
    ...options,
  });
}

for (const numpy of [false, true]) {
  const title = numpy ? "with numpy" : "with nothing but its own library";

  test(`a worker of Python ${title} gives tensors of every type back as they were`, async (context) => {
    await using runtime = inPython(context, numpy);
    const model = await runtime.load("/nowhere", { ...obedient(), format: "echo" });
    expect(await model.predict(everyType)).toEqual(everyType);
  });

  test(`a worker of Python ${title} answers within 1e-6 of the TypeScript kernel, golden requests and all`, async (context) => {
    await using runtime = inPython(context, numpy);
    await using folder = await packFolder(1);
    const resolved = await folder.source.resolve("late/1");
    await using theirs = await loadModel(resolved, [runtime]);
    await using ours = await loadModel(resolved, [denseRuntime()]);
    const inputs = { features: matrix(Array.from({ length: 50 }, (_, at) => [at / 9, -at / 5, 0.25, Math.sin(at)])) };
    const [here, there] = [await ours.predict(inputs), await theirs.predict(inputs)];
    expect(there["probability"]?.shape).toEqual([50, 1]);
    for (const [at, value] of (here["probability"]?.data ?? []).entries())
      expect(Math.abs(Number(value) - Number(there["probability"]?.data[at]))).toBeLessThan(1e-6);
    expect(theirs.memoryBytes).toBeGreaterThan(100);
  });
}

test("a worker of Python that aborts or loops is replaced, and its errors cross with their codes", async (context) => {
  await using runtime = inPython(context, false, { hangMs: 2_000, callTimeoutMs: 600 });
  const model = await runtime.load("/nowhere", obedient());
  await expect(asked(model, 6)).rejects.toMatchObject({
    code: "SERVING_MODEL_FAILED",
    message: expect.stringContaining("ValueError: it was told to throw"),
  });
  await expect(asked(model, 7)).rejects.toMatchObject({ code: "MODEL_INPUT_MISMATCH", remedy: "Send another." });
  await expect(asked(model, 1)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED" });
  expect(await asked(model, 20)).toBe(40);
  // It answers pings from another thread while it loops: the limit of the request ends it.
  await expect(asked(model, 4)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED" });
  expect(await asked(model, 21)).toBe(42);
  expect(runtime.workers()[0]?.memory?.rssBytes ?? 0).toBeGreaterThan(1_000_000);
});
