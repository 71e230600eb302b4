import type { Random } from "@millwright/contracts";

/** Rewards in [0, 1] of one arm: how many units, and their sum. */
export interface Rewards {
  readonly units: number;
  readonly sum: number;
}

/**
 * The arm to give next: each draws from the Beta posterior of its mean reward, and the greatest wins (W. R. Thompson, Biometrika 25, 1933; rewards between 0 and 1 count as that part of a success).
 * @returns its index.
 */
export function thompsonArm(arms: readonly Rewards[], random: Random): number {
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (const [at, { units, sum }] of arms.entries()) {
    const wins = gamma(1 + sum, random);
    const draw = wins / (wins + gamma(1 + Math.max(0, units - sum), random));
    if (draw > most) [best, most] = [at, draw];
  }
  return best;
}

/** A draw of Gamma(shape, 1) for a shape of at least 1 (G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000). */
function gamma(shape: number, random: Random): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = random.normal();
    const v = (1 + c * normal) ** 3;
    if (v <= 0) continue;
    const u = random.next();
    if (u > 0 && Math.log(u) < 0.5 * normal * normal + d - d * v + d * Math.log(v)) return d * v;
  }
}
