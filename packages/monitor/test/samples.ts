/** The generator of golden/*.py: 32-bit linear congruential, so that both sides make the same samples. */
export function createGenerator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

export type SampleSpec = readonly [kind: string, seed: number, size: number, shift: number, scale: number];

export function sampleOf([kind, seed, size, shift, scale]: SampleSpec): number[] {
  const next = createGenerator(seed);
  return Array.from({ length: size }, () => {
    if (kind === "uniform") return shift + scale * next();
    if (kind === "tied") return shift + scale * Math.trunc(next() * 6);
    // As Python sums: from 0 on, one after the other.
    return shift + scale * (0 + next() + next() + next() + next() - 2);
  });
}
