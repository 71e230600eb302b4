import { type Random, createRandom } from "@millwright/contracts";
import type { Lattice } from "../gp/lattice.ts";
import type { Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { SuggestContext, Suggestion } from "../trial.ts";
import { sobolSequence } from "./sobol.ts";

export interface StartupParts {
  readonly space: Space;
  readonly lattice: Lattice;
  readonly context: SuggestContext;
  readonly random: Random;
}

/** The next point of the study's Sobol sequence that is allowed; its scrambling is chosen by the study's first trial. */
export function sobolStartup(sampler: string, { space, lattice, context, random }: StartupParts): Suggestion {
  const { trials, constraints } = context;
  const drawn = random.integer(2 ** 32);
  const first = trials.find(({ explanation }) => typeof explanation["sobolSeed"] === "number");
  const sobolSeed = (first?.explanation["sobolSeed"] as number | undefined) ?? drawn;
  const explanation = { sampler, phase: "startup", sobolSeed };
  if (lattice.coordinates.dimensions === 0) return { params: drawParams(space, random, constraints), explanation };
  const sequence = sobolSequence(lattice.coordinates.dimensions, createRandom(sobolSeed));
  for (let tries = 0; tries < 200; tries += 1) {
    const params = lattice.encoding.decode(sequence.point(trials.length + tries * 1024));
    if (isAllowed(constraints, params)) return { params, explanation };
  }
  return { params: drawParams(space, random, constraints), explanation };
}
