/** Of dependent windows so few are never taken for independent ones, whatever their correlation. */
const strongest = 0.9;

/**
 * How many windows tell as much as one would that is independent of those before it: (1 + ρ)/(1 − ρ), where windows are an autoregression of the first order (Bayley and Hammersley, 1946).
 * At least 1, at most 19. @param pairs Deviations from the mean, each with the one before it. @param square Mean square of deviations.
 */
export function memoryOf(pairs: readonly (readonly [number, number])[], square: number): number {
  if (pairs.length === 0 || !(square > 0)) return 1;
  const joint = pairs.reduce((sum, [before, deviation]) => sum + before * deviation, 0) / pairs.length;
  const correlation = Math.min(strongest, Math.max(0, joint / square));
  return (1 + correlation) / (1 - correlation);
}
