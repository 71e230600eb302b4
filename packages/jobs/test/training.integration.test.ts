import { execFile, spawnSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { JobEvent } from "@millwright/contracts";
import { runTraining, type TrainingSpec } from "@millwright/jobs";
import { expect, test } from "vitest";
import { toolkitSpec } from "./sagemaker-toolkit.ts";
import { openTestJobs, temporaryFolder } from "./setting.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const hasPython = spawnSync(python, ["-c", "import json"]).status === 0;
const hasToolkit = spawnSync(python, ["-c", "import sagemaker_training.environment"]).status === 0;
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/sagemaker/${name}`, import.meta.url));
const noPython = `${python} cannot be run: install Python, or name one in MILLWRIGHT_PYTHON`;

/** Channels of four points on the line y = 2x + 1. */
async function openChannels() {
  const folder = await temporaryFolder();
  const channels: Record<string, { readonly path: string }> = {};
  for (const channel of ["train", "test"]) {
    const path = join(folder.path, channel);
    await mkdir(path);
    await writeFile(join(path, "rows.csv"), "0,1\n1,3\n2,5\n3,7\n");
    channels[channel] = { path };
  }
  return { path: folder.path, channels, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test(
  "TR-1: a Python script written for SageMaker's script mode runs unchanged",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(!hasPython && process.env["CI"] !== "true", noPython);
    await using opened = await openTestJobs();
    await using setting = await openChannels();
    const lines: string[] = [];
    const spec: TrainingSpec = {
      id: "line",
      run: { script: fixture("train.py"), interpreter: [python] },
      directory: join(setting.path, "ml"),
      hyperparameters: { epochs: 300, "learning-rate": 0.05, optimizer: "sgd" },
      channels: setting.channels,
      archive: true,
      metrics: [{ name: "train:loss", regex: "epoch=(?P<epoch>\\d+); train_loss=(.*?);" }],
    };
    const onEvent = (event: JobEvent): void => void (event.kind === "log" && lines.push(event.line));
    const result = await runTraining(opened.jobs, spec, { onEvent });
    expect(result).toMatchObject({
      state: "completed",
      exitCode: 0,
      model: { files: [{ path: "model.json" }] },
      outputData: { files: [{ path: "report.json" }] },
    });
    const losses = result.metrics["train:loss"]!;
    expect(losses.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
    expect(losses.at(-1)!.value).toBeLessThan(losses[0]!.value / 100);
    const model = JSON.parse(await readFile(join(spec.directory, "model", "model.json"), "utf8")) as object;
    expect(model).toEqual({ slope: expect.closeTo(2, 3), intercept: expect.closeTo(1, 3) });
    const report = JSON.parse(await readFile(join(spec.directory, "output", "data", "report.json"), "utf8")) as object;
    expect(report).toEqual({ host: "algo-1", optimizer: "sgd", rows: 4 });
    expect(lines.filter((line) => /^epoch=\d+; train_loss=\d/.test(line))).toHaveLength(300);
    const names = "import sys, tarfile; print(tarfile.open(sys.argv[1]).extractfile('model.json').read().decode())";
    const { stdout } = await promisify(execFile)(python, ["-c", names, result.archives!.model]);
    expect(JSON.parse(stdout)).toEqual(model);
  },
);

test("a script that asks to be tried again goes on from its checkpoint", { timeout: 600_000 }, async ({ skip }) => {
  skip(!hasPython && process.env["CI"] !== "true", noPython);
  await using opened = await openTestJobs();
  await using setting = await openChannels();
  const lines: string[] = [];
  const source = join(setting.path, "source");
  await mkdir(source);
  await copyFile(fixture("train.py"), join(source, "train.py"));
  const spec: TrainingSpec = {
    id: "spot",
    run: { script: "train.py", sourceDirectory: source, interpreter: [python] },
    directory: join(setting.path, "ml"),
    hyperparameters: { epochs: 6, "fail-after": 4 },
    channels: setting.channels,
    retries: 1,
  };
  const onEvent = (event: JobEvent): void => void (event.kind === "log" && lines.push(event.line));
  expect(await runTraining(opened.jobs, spec, { onEvent })).toMatchObject({ state: "completed", attempts: 2 });
  expect(lines.map((line) => line.split(";")[0])).toEqual([
    ...[1, 2, 3, 4].map((epoch) => `epoch=${epoch}`),
    "resuming after epoch 4",
    ...[5, 6].map((epoch) => `epoch=${epoch}`),
  ]);
});

interface Toolkit {
  readonly variables: Readonly<Record<string, string>>;
  readonly arguments: readonly string[];
}

test(
  "TR-1: sagemaker-training reads the prepared root, and sets the same variables and arguments as the job was given",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(
      !hasToolkit,
      `${python} cannot import sagemaker_training: pip install sagemaker-training (it needs a C compiler), and name that Python in MILLWRIGHT_PYTHON`,
    );
    await using setting = await openChannels();
    const directory = join(setting.path, "ml");
    const { stdout: cores } = await promisify(execFile)(python, ["-c", "import os; print(os.cpu_count())"]);
    const dump = `require("node:fs").writeFileSync(process.env.SM_MODEL_DIR + "/told.json", JSON.stringify({ variables: process.env, arguments: process.argv.slice(2) }))`;
    await writeFile(join(setting.path, "dump.cjs"), dump);
    const spec: TrainingSpec = {
      id: "told",
      run: { script: join(setting.path, "dump.cjs"), interpreter: [process.execPath] },
      directory,
      ...toolkitSpec,
      channels: { ...setting.channels, "validation-2": setting.channels["test"]! },
    };
    await using wide = await openTestJobs({ maxCpus: Math.max(8, Number(cores)) });
    const result = await runTraining(wide.jobs, { ...spec, resources: { cpus: Number(cores) } });
    expect(result).toMatchObject({ state: "completed" });
    const told = JSON.parse(await readFile(join(directory, "model", "told.json"), "utf8")) as Toolkit;
    const environment = { PATH: process.env["PATH"], SAGEMAKER_BASE_DIR: directory, TRAINING_JOB_NAME: "told" };
    const { stdout } = await promisify(execFile)(python, [fixture("toolkit.py")], { env: environment });
    const line = stdout.split("\n").find((each) => each.startsWith("TOOLKIT "))!;
    const wanted = JSON.parse(line.slice("TOOLKIT ".length)) as Toolkit;
    const ours = Object.entries(told.variables).filter(([name]) => name.startsWith("SM_"));
    const gpus = { SM_NUM_GPUS: "0" };
    expect({ ...Object.fromEntries(ours), ...gpus, SM_TRAINING_ENV: "" }).toEqual({
      ...wanted.variables,
      ...gpus,
      SM_TRAINING_ENV: "",
    });
    const without = (text: string | undefined): string => (text ?? "").replaceAll(/"num_gpus":\d+/g, "");
    expect(without(told.variables["SM_TRAINING_ENV"])).toBe(without(wanted.variables["SM_TRAINING_ENV"]));
    expect(told.arguments).toEqual(wanted.arguments);
  },
);
