import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fitLinear, packFitted } from "@millwright/algorithms";
import type { Batch } from "@millwright/contracts";
import { datasetOf } from "@millwright/data";

/** Fits multinomial regression and packs it as `iris/1` in the folder. */
export async function trainModel(folder: string, train: Batch): Promise<void> {
  const dataset = datasetOf([train]);
  const fitted = await fitLinear(dataset, { label: "species", task: "multiclass", l2: 0.1 });
  const directory = join(folder, "iris", "1");
  await rm(directory, { recursive: true, force: true });
  await packFitted(directory, fitted, { name: "iris", train: dataset });
}
