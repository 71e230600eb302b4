import { type Space, sampleParameter } from "../space.ts";
import type { Sampler } from "../trial.ts";

/** Independent uniform draws on each parameter's search scale. Bergstra and Bengio (2012), JMLR 13. */
export function randomSampler(): Sampler {
  return {
    name: "random",
    suggest: (space, _context, random) => ({
      params: drawParams(space, random),
      explanation: { sampler: "random" },
    }),
  };
}

export function drawParams(
  space: Space,
  random: Parameters<Sampler["suggest"]>[2],
): Record<string, ReturnType<typeof sampleParameter>> {
  return Object.fromEntries(
    Object.entries(space).map(([name, parameter]) => [name, sampleParameter(parameter, random)]),
  );
}
