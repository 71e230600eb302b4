import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CallOptions, JobEvent, JobLauncher, ResolvedModel, Tensor } from "@millwright/contracts";
import { type MetricSeries, runTraining, type TrainingSpec } from "@millwright/jobs";
import { goldenRequest, packModel } from "@millwright/model";
import { describeOnnx } from "@millwright/model/onnx";

export interface TrainOptions extends CallOptions {
  /** The folder of the job, and the folder that the package is written to. */
  readonly directory: string;
  readonly packageDirectory: string;
  readonly channels: Readonly<Record<string, string>>;
  /** A Python that has PyTorch. */
  readonly python: string;
  readonly hyperparameters?: TrainingSpec["hyperparameters"];
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
}

export interface Trained {
  readonly model: ResolvedModel;
  readonly metrics: MetricSeries;
  /** How many times the script was started. */
  readonly attempts: number;
}

const number = "[0-9.]+";

/** Runs `train.py` as SageMaker would, in a process that is supervised and goes on after an interruption, and packs the ONNX model that it leaves. */
export async function trainWithPyTorch(jobs: JobLauncher, options: TrainOptions): Promise<Trained> {
  const { directory, packageDirectory, channels, python, hyperparameters = {}, onEvent, signal } = options;
  const result = await runTraining(
    jobs,
    {
      id: "moons",
      run: { script: fileURLToPath(new URL("../train.py", import.meta.url)), interpreter: [python] },
      directory,
      channels: Object.fromEntries(
        Object.entries(channels).map(([name, path]) => [name, { path, contentType: "text/csv" }]),
      ),
      hyperparameters,
      retries: 3,
      metrics: [
        { name: "train:loss", regex: `epoch=(?<epoch>\\d+) train_loss=(${number})` },
        { name: "validation:accuracy", regex: `epoch=(?<epoch>\\d+) .*validation_accuracy=(${number})` },
      ],
    },
    { onEvent, signal },
  );
  if (result.state === "interrupted") throw new Error("The training was interrupted. Call it again, and it goes on.");
  if (result.state !== "completed") throw new Error(`The training has ${result.state}: ${result.failureReason}`);
  const folder = join(directory, "model");
  const bytes = await readFile(join(folder, "model.onnx"));
  const { signature, producer } = describeOnnx(bytes);
  const model = await packModel(packageDirectory, {
    name: "moons",
    format: "onnx",
    files: { "model.onnx": bytes },
    signature,
    golden: [await goldenOf(folder)],
    provenance: {
      datasets: Object.fromEntries(Object.entries(result.channels).map(([name, { digest }]) => [name, digest])),
      code: result.code,
      environment: { producer },
      hyperparameters,
      metrics: { accuracy: result.metrics["validation:accuracy"]?.at(-1)?.value ?? 0 },
    },
    signal,
  });
  return { model, metrics: result.metrics, attempts: result.attempts };
}

/** What PyTorch itself answers: no server takes the model over that answers otherwise. */
async function goldenOf(folder: string): Promise<ReturnType<typeof goldenRequest>> {
  const { features, prediction, rows } = JSON.parse(await readFile(join(folder, "golden.json"), "utf8")) as {
    readonly features: readonly number[];
    readonly prediction: readonly number[];
    readonly rows: number;
  };
  const tensor = (values: readonly number[]): Tensor => ({
    dtype: "float32",
    shape: [rows, values.length / rows],
    data: Float32Array.from(values),
  });
  return goldenRequest({ features: tensor(features) }, { prediction: tensor(prediction) }, 1e-5);
}
