import { mkdtemp, rm, writeFile, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tensor } from "@millwright/contracts";
import { createRandom } from "@millwright/contracts";
import {
  type DenseLayer,
  goldenRequest,
  loadModel,
  denseRuntime,
  openDirectoryModelSource,
  packModel,
  writeDenseModel,
} from "@millwright/model";

export const width = 4;

/** A network of 4-8-1 whose numbers come from the seed. */
export function layersOf(seed: number): readonly DenseLayer[] {
  const random = createRandom(seed);
  const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.normal());
  return [
    { kernel: numbers(width * 8), bias: numbers(8), activation: "relu" },
    { kernel: numbers(8), bias: numbers(1), activation: "sigmoid" },
  ];
}

/** The answer worked out by plain loops over the layers, in float32 as the format says. */
export function expected(seed: number, row: readonly number[]): number {
  let values = row.map(Math.fround);
  for (const { kernel, bias, activation } of layersOf(seed)) {
    values = Array.from({ length: bias.length }, (_, unit) => {
      let sum = bias[unit] ?? 0;
      for (const [at, value] of values.entries()) sum += value * (kernel[at * bias.length + unit] ?? 0);
      return activation === "relu" ? Math.max(0, sum) : 1 / (1 + Math.exp(-sum));
    });
  }
  return values[0] ?? Number.NaN;
}

/** A folder of models `late/1`, `late/2`, …, version n from seed n, and what moves aliases. */
export interface ModelFolder extends AsyncDisposable {
  readonly root: string;
  readonly source: ReturnType<typeof openDirectoryModelSource>;
  point(alias: string, version: number): Promise<void>;
}

export async function packFolder(
  versions: number,
  aliases: Readonly<Record<string, number>> = { champion: 1 },
): Promise<ModelFolder> {
  const root = await mkdtemp(join(tmpdir(), "millwright-serving-"));
  for (let version = 1; version <= versions; version += 1) {
    const { files, signature } = writeDenseModel(layersOf(version), { input: "features", output: "probability" });
    const row = [0.1, -0.2, 0.3, 0.4];
    await packModel(join(root, "late", String(version)), {
      name: "late",
      format: "dense",
      files,
      signature,
      golden: [goldenRequest({ features: matrix([row]) }, { probability: matrix([[expected(version, row)]]) }, 1e-6)],
    });
  }
  const current = { ...aliases };
  const write = async (): Promise<void> => {
    const path = join(root, "late", "aliases.json");
    await writeFile(`${path}.next`, JSON.stringify(current));
    await rename(`${path}.next`, path);
  };
  await write();
  return {
    root,
    source: openDirectoryModelSource(root, { pollMs: 10 }),
    async point(alias, version) {
      current[alias] = version;
      await write();
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

export const matrix = (rows: readonly (readonly number[])[]): Tensor => ({
  dtype: "float32",
  shape: [rows.length, rows[0]?.length ?? 0],
  data: Float32Array.from(rows.flat()),
});

export { denseRuntime, loadModel };
