import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type CallOptions, modelCorrupt } from "@millwright/contracts";
import type { io } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { directoryOccupied, writeFailure } from "./errors.ts";
import type { Tfjs } from "./open-tfjs.ts";

export interface SaveLayersModelOptions extends CallOptions {
  /** Whether the optimizer's weights are kept too. Default: false. */
  readonly includeOptimizer?: boolean | undefined;
}

/**
 * Writes the model to `directory` as `model.json` and `weights.bin`, TensorFlow.js's own layers format: all of it or nothing. The
 * directory must be absent or empty. When it resolves, the files survive a crash.
 * Throws `TFJS_DIRECTORY_OCCUPIED`, and `TFJS_WRITE_FAILED` where the disk is full or refuses.
 */
export async function saveLayersModel(
  model: LayersModel,
  directory: string,
  { includeOptimizer = false, signal }: SaveLayersModelOptions = {},
): Promise<void> {
  signal?.throwIfAborted();
  // An empty text would be the working directory itself, which must not be replaced.
  if (directory === "") throw new TypeError("A model is saved into a folder of its own: name one.");
  const target = resolve(directory);
  if ((await readdir(target).catch(() => [])).length > 0) throw directoryOccupied(directory);
  const partial = `${target}.partial-${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(partial);
    const save = async (artifacts: io.ModelArtifacts): Promise<io.SaveResult> => {
      await writeArtifacts(partial, artifacts);
      // The date must be there, and is not kept.
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    };
    await model.save({ save }, { includeOptimizer });
    await syncDirectory(partial);
    signal?.throwIfAborted();
    await rename(partial, target).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOTEMPTY" || error.code === "EEXIST" ? directoryOccupied(directory) : error;
    });
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    signal?.throwIfAborted();
    throw writeFailure(directory, error);
  }
}

async function writeArtifacts(directory: string, artifacts: io.ModelArtifacts): Promise<void> {
  const { weightData = new ArrayBuffer(0), weightSpecs = [], ...rest } = artifacts;
  const parts = Array.isArray(weightData) ? weightData : [weightData];
  const { modelTopology, format, generatedBy, convertedBy = null, trainingConfig, userDefinedMetadata } = rest;
  const json = {
    modelTopology,
    format,
    generatedBy,
    convertedBy,
    trainingConfig,
    userDefinedMetadata,
    weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }],
  };
  await writeDurably(
    join(directory, "weights.bin"),
    parts.map((part) => new Uint8Array(part)),
  );
  await writeDurably(join(directory, "model.json"), [Buffer.from(JSON.stringify(json))]);
}

async function writeDurably(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, "wx");
  try {
    for (const part of parts) await file.writeFile(part);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows has no such thing, and needs none.
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Reads a layers model from the `model.json` in `directory` and the weight files it names, whoever wrote them.
 * Throws `PORT_MODEL_CORRUPT` where a file is missing, is not JSON, or has not the bytes the weights need.
 */
export async function loadLayersModel(
  { tf }: Tfjs,
  directory: string,
  { signal }: CallOptions = {},
): Promise<LayersModel> {
  signal?.throwIfAborted();
  const root = resolve(directory);
  const json = await readModelJson(root);
  const groups = json.weightsManifest;
  const weightSpecs = groups.flatMap((group) => group.weights);
  const parts: Buffer[] = [];
  for (const path of groups.flatMap((group) => group.paths)) {
    signal?.throwIfAborted();
    parts.push(await readWeights(root, path));
  }
  signal?.throwIfAborted();
  const bytes = Buffer.concat(parts);
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const load = (): Promise<io.ModelArtifacts> => Promise.resolve({ ...json, weightSpecs, weightData });
  try {
    return await tf.loadLayersModel({ load });
  } catch (error) {
    throw modelCorrupt(directory, "its topology and its weights do not make a model", error);
  }
}

async function readModelJson(root: string): Promise<io.ModelJSON> {
  const path = join(root, "model.json");
  try {
    const json = JSON.parse(await readFile(path, "utf8")) as Partial<io.ModelJSON> | null;
    if (json?.modelTopology != null && Array.isArray(json.weightsManifest)) return json as io.ModelJSON;
  } catch (error) {
    throw modelCorrupt(root, "model.json cannot be read", error);
  }
  throw modelCorrupt(root, "model.json has no modelTopology or no weightsManifest");
}

async function readWeights(root: string, path: string): Promise<Buffer> {
  const file = resolve(root, path);
  if (dirname(file) !== root) throw modelCorrupt(root, `its weight file "${path}" is not in the directory`);
  try {
    return await readFile(file);
  } catch (error) {
    throw modelCorrupt(root, `its weight file "${path}" cannot be read`, error);
  }
}
