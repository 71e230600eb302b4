import { rm } from "node:fs/promises";
import { join } from "node:path";
import { packModel, writeDenseModel } from "@millwright/model";
import type { RegisteredVersion, Registry } from "@millwright/registry";

/** One delivery. */
export interface Delivery {
  readonly kilometres: number;
  readonly minutes: number;
}

export interface NightlyOptions {
  readonly registry: Registry;
  readonly folder: string;
  readonly night: string;
  readonly deliveries: readonly Delivery[];
}

const folds = 6;

/** Fits minutes = kernel · kilometres + bias, logs the error of each fold, and registers the model. */
export async function runNight({ registry, folder, night, deliveries }: NightlyOptions): Promise<RegisteredVersion> {
  const run = await registry.startRun({ experiment: "delivery time", name: night, by: "nightly" });
  run.logParams({ folds, deliveries: deliveries.length });
  for (let fold = 0; fold < folds; fold += 1) {
    const rest = deliveries.filter((_, index) => index % folds !== fold);
    const held = deliveries.filter((_, index) => index % folds === fold);
    const line = fitLine(rest);
    const errors = held.map(({ kilometres, minutes }) => Math.abs(line.kernel * kilometres + line.bias - minutes));
    const error = errors.reduce((sum, each) => sum + each, 0) / held.length;
    await run.log({ metrics: [{ name: "error", value: error, step: fold }] });
  }
  const { kernel, bias } = fitLine(deliveries);
  const dense = writeDenseModel([{ kernel: [kernel], bias: [bias], activation: "linear" }]);
  const directory = join(folder, "packages", night);
  await rm(directory, { recursive: true, force: true });
  await packModel(directory, { name: "delivery", format: "dense", ...dense, provenance: { runId: run.id } });
  await run.end("finished");
  return registry.register("delivery", directory, { by: "nightly", tags: { night } });
}

/** Least squares of one input. */
function fitLine(deliveries: readonly Delivery[]): { readonly kernel: number; readonly bias: number } {
  const mean = (of: (each: Delivery) => number): number =>
    deliveries.reduce((sum, each) => sum + of(each), 0) / deliveries.length;
  const x = mean(({ kilometres }) => kilometres);
  const y = mean(({ minutes }) => minutes);
  const above = mean(({ kilometres, minutes }) => (kilometres - x) * (minutes - y));
  const below = mean(({ kilometres }) => (kilometres - x) ** 2);
  return { kernel: above / below, bias: y - (above / below) * x };
}
