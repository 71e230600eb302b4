import { drawParams } from "../space-constraints.ts";
import type { Sampler } from "../trial.ts";

/** Independent uniform draws on each parameter's search scale. Bergstra and Bengio (2012), JMLR 13. */
export function randomSampler(): Sampler {
  return {
    name: "random",
    suggest: (space, { constraints }, random) => ({
      params: drawParams(space, random, constraints),
      explanation: { sampler: "random" },
    }),
  };
}
