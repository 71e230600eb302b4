import { logNormalMass } from "../samplers/normal-mass.ts";

/** From so many differences on, or from 14 where some are tied or zero, the normal approximation takes the place of the exact distribution. */
const mostExact = 50;
const mostExactWithTies = 13;

/**
 * The one-sided Wilcoxon signed-rank test: how probable so large a sum of the ranks of the positive differences is, were their signs a matter of chance.
 * Zeros give half of their ranks to either side ("zsplit"); ties share their mean rank. Exact by the distribution of the rank sum over all sign patterns up to
 * 50 differences (up to 13 where there are ties or zeros), else the normal approximation with a correction for ties: the choices of SciPy 1.17's
 * `wilcoxon(d, zero_method="zsplit", alternative="greater")`. F. Wilcoxon, Biometrics Bulletin 1 (1945).
 * @param differences Finite, at least one. @returns in [0, 1].
 */
export function signedRankPValue(differences: readonly number[]): number {
  const { doubledRanks, tieCorrection, hasTies } = rankMagnitudes(differences);
  const count = differences.length;
  const hasZeros = differences.includes(0);
  // Doubled, every rank is a whole number, and with the halves of zeros four times is.
  const quadrupledSum = differences.reduce((sum, difference, index) => {
    const rank = doubledRanks[index] as number;
    return sum + (difference > 0 ? 2 * rank : difference === 0 ? rank : 0);
  }, 0);
  if (count <= (hasTies || hasZeros ? mostExactWithTies : mostExact))
    return exactUpperTail(
      doubledRanks.filter((_, index) => differences[index] !== 0),
      quadrupledSum / 2 - doubledRanks.reduce((sum, rank, index) => sum + (differences[index] === 0 ? rank / 2 : 0), 0),
    );
  const mean = (count * (count + 1)) / 4;
  const deviation = Math.sqrt((count * (count + 1) * (2 * count + 1) - tieCorrection / 2) / 24);
  const z = (quadrupledSum / 4 - mean) / deviation;
  return Math.exp(logNormalMass(z, Infinity));
}

/** Twice the mean ranks of the magnitudes, and Σ(t³ − t) over groups of t ties. */
function rankMagnitudes(differences: readonly number[]): {
  readonly doubledRanks: readonly number[];
  readonly tieCorrection: number;
  readonly hasTies: boolean;
} {
  const magnitudes = differences.map(Math.abs);
  const order = magnitudes.map((_, index) => index).toSorted((a, b) => magnitudes[a]! - magnitudes[b]!);
  const doubledRanks = magnitudes.map(() => 0);
  let tieCorrection = 0;
  let hasTies = false;
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && magnitudes[order[end]!] === magnitudes[order[start]!]) end += 1;
    for (let at = start; at < end; at += 1) doubledRanks[order[at]!] = start + 1 + end;
    const tied = end - start;
    tieCorrection += tied ** 3 - tied;
    hasTies ||= tied > 1;
    start = end;
  }
  return { doubledRanks, tieCorrection, hasTies };
}

/** The share of sign patterns whose positive ranks add up to `least` or more. */
function exactUpperTail(ranks: readonly number[], least: number): number {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  let shares = new Float64Array(total + 1);
  shares[0] = 1;
  for (const rank of ranks) {
    const next = new Float64Array(total + 1);
    for (let sum = 0; sum <= total; sum += 1) {
      const share = (shares[sum] as number) / 2;
      if (share === 0) continue;
      next[sum] = (next[sum] as number) + share;
      next[sum + rank] = (next[sum + rank] as number) + share;
    }
    shares = next;
  }
  let tail = 0;
  for (let sum = total; sum >= Math.max(0, least); sum -= 1) tail += shares[sum] as number;
  return Math.min(1, tail);
}
