/** Of dependent windows so few are never taken for independent ones, whatever their correlation. */
const strongest = 0.9;

/**
 * How many windows tell as much as one would that is independent of those before it: (1 + ρ)/(1 − ρ), where windows are an autoregression of the first order (Bayley and Hammersley, 1946).
 * At least 1, at most 19. @param pairs Deviations from the mean, each with the one before it. @param square Mean square of deviations.
 */
export function memoryOf(pairs: Pairs, square: number): number {
  const correlation = Math.min(strongest, Math.max(0, correlationOf(pairs, square)));
  return (1 + correlation) / (1 - correlation);
}

/**
 * How many windows tell as much of the spread as one would that is independent of those before it: 1 + 2 Σ ρ(lag)² = (1 + ρ²)/(1 − ρ²), where windows are a normal autoregression of the first order (Bartlett, 1946).
 * The ρ of so few windows comes out too low by (1 + 3ρ)/n, which is given back (Kendall, 1954; Marriott and Pope, 1954). At least 1, at most 9.5. @param deviations From the mean, in the order of time.
 */
export function memoryOfSpread(deviations: readonly number[]): number {
  const square = deviations.reduce((sum, deviation) => sum + deviation * deviation, 0) / deviations.length;
  if (!(square > 0)) return 1;
  const pairs = deviations.slice(1).map((deviation, index) => [deviations[index] as number, deviation] as const);
  const seen = correlationOf(pairs, square);
  const correlation = Math.min(strongest, Math.max(0, seen + (1 + 3 * Math.max(0, seen)) / deviations.length));
  return (1 + correlation ** 2) / (1 - correlation ** 2);
}

type Pairs = readonly (readonly [number, number])[];

function correlationOf(pairs: Pairs, square: number): number {
  if (pairs.length === 0 || !(square > 0)) return 0;
  return pairs.reduce((sum, [before, deviation]) => sum + before * deviation, 0) / pairs.length / square;
}
