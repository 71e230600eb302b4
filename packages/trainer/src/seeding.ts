import { createRandom, hashSeed } from "@millwright/contracts";
import type { LayersModel } from "./define-training.ts";

/**
 * From here on `Math.random`, which unseeded initializers and dropout draw from, is a stream that `label` and `seed` decide. Only for a process
 * that is a run's own.
 */
export function seedMathRandom(seed: number, label: string): void {
  const random = createRandom(hashSeed(label, seed));
  // oxlint-disable-next-line no-restricted-properties -- TensorFlow.js draws from it and offers no other way to seed
  Math.random = () => random.next();
}

/**
 * Seeds what a training step draws by its place in the run. A `seed` of a dropout layer would give the same mask in every step, so it is set
 * anew, and a resumed run draws what an uninterrupted one does.
 * @param part Of the step's batch, from 0, where it is learned from in parts.
 */
export function seedStep(model: LayersModel, seed: number, step: number, part = 0): void {
  const place = part === 0 ? String(step) : `${step}:${part}`;
  seedMathRandom(seed, `step:${place}`);
  for (const [index, layer] of model.layers.entries()) {
    if ("seed" in layer) (layer as { seed: unknown }).seed = hashSeed(`dropout:${index}:${place}`, seed);
  }
}
