import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GoldenRequest, ModelProvenance, ModelSignature, ResolvedModel } from "@millwright/contracts";
import type { FittedTransforms, Profile } from "@millwright/data";
import { profileToJson } from "@millwright/data";
import { filesIn, goldenRequest, type ModelFileSource, packModel, writeDenseModel } from "@millwright/model";
import { plainDenseLayers, saveLayersModel, type TensorFlow } from "@millwright/tfjs";
import type { LayersModel } from "./define-training.ts";
import { formatUnfit } from "./errors.ts";
import type { Matrix } from "./minibatches.ts";
import { predictMatrix } from "./predict-matrix.ts";
import type { TrainingRequest } from "./run-messages.ts";

/** Rows at the beginning of the data that answers are kept of. */
export const goldenRows = 16;

export interface TrainedModel {
  readonly tf: TensorFlow;
  readonly model: LayersModel;
  readonly request: TrainingRequest;
  readonly transforms: FittedTransforms;
  /** Rows the golden requests are taken from. */
  readonly sample: Matrix;
  readonly profile: Profile;
  readonly provenance: Omit<ModelProvenance, "createdTimeMs">;
}

const input = "features";
const output = "prediction";
/**
 * The largest difference allowed between TensorFlow.js, which sums in float32, and the plain runtime, which sums in float64: a dozen rounding
 * errors of 2^-24 for answers around 1, and in proportion for larger ones.
 */
const toleranceOf = (answers: Float32Array): number => 1e-5 * Math.max(1, ...answers.map(Math.abs));

/** Writes the run's model package. Throws `TRAINER_FORMAT_UNFIT`. */
export async function packTrained(trained: TrainedModel): Promise<ResolvedModel> {
  const { request, model, provenance, transforms, profile } = trained;
  const layers = request.format === "tfjs-layers" ? undefined : await plainDenseLayers(model);
  if (layers === undefined && request.format === "dense")
    throw formatUnfit(model.layers.map((layer) => layer.getClassName()));
  const scratch = await mkdtemp(join(tmpdir(), "millwright-trainer-"));
  try {
    const plain = layers === undefined ? undefined : writeDenseModel(layers, { input, output });
    const files: Readonly<Record<string, ModelFileSource>> =
      plain?.files ?? (await layersFiles(model, join(scratch, "model")));
    const directory = join(request.directory, "model");
    await rm(directory, { recursive: true, force: true }); // of an attempt that was killed after packing
    return await packModel(directory, {
      name: request.name,
      format: plain === undefined ? "tfjs-layers" : "dense",
      files,
      signature: plain?.signature ?? signatureOf(trained),
      transforms,
      featureService: request.featureService ?? undefined,
      golden: await goldenOf(trained),
      profile: profileToJson(profile),
      provenance: { ...provenance, createdTimeMs: request.createdTimeMs },
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function layersFiles(model: LayersModel, directory: string): Promise<Readonly<Record<string, ModelFileSource>>> {
  await saveLayersModel(model, directory);
  return filesIn(directory);
}

const signatureOf = ({ sample }: TrainedModel): ModelSignature => ({
  inputs: [{ name: input, dtype: "float32", shape: [-1, sample.width] }],
  outputs: [{ name: output, dtype: "float32", shape: [-1, 1] }],
});

/** Rows with the answers of TensorFlow.js: whatever serves the package is held to them. */
async function goldenOf({ tf, model, sample }: TrainedModel): Promise<readonly GoldenRequest[]> {
  const rows = Math.min(goldenRows, sample.rows);
  const features = sample.features.slice(0, rows * sample.width);
  const answers = await predictMatrix(tf, model, { features, rows, width: sample.width });
  return [
    goldenRequest(
      { [input]: { dtype: "float32", shape: [rows, sample.width], data: features } },
      { [output]: { dtype: "float32", shape: [rows, 1], data: answers } },
      toleranceOf(answers),
    ),
  ];
}
