import type { FrequentTexts } from "../frequent.ts";

/**
 * Probability that counts which follow the shares of the reference lie as far from them as these: the chi-squared test of goodness of fit over the
 * reference's texts. Texts too rare for the test join the next rarer one, as in Deequ: until none is expected less than 10 times where two are left, or at most a
 * fifth of them less than 5 times. NaN where fewer than two are left.
 */
export function chiSquaredProbability(reference: FrequentTexts, current: FrequentTexts): number {
  const referenceTotal = sumOf([...reference.counts.values()]);
  const total = sumOf([...reference.counts.keys()].map((text) => current.counts.get(text) ?? 0));
  // The rarest first; texts decide among equals, so that order leaves no trace.
  const groups = [...reference.counts]
    .sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
    .map(([text, count]) => ({ expected: (count / referenceTotal) * total, met: current.counts.get(text) ?? 0 }));
  while (groups.length >= 2 && isTooRare(groups.map(({ expected }) => expected))) {
    const [rarest, next] = groups.splice(0, 2) as [Group, Group];
    groups.push({ expected: rarest.expected + next.expected, met: rarest.met + next.met });
    groups.sort((a, b) => a.expected - b.expected);
  }
  if (groups.length < 2) return Number.NaN;
  const statistic = sumOf(groups.map(({ expected, met }) => (met - expected) ** 2 / expected));
  return upperGamma((groups.length - 1) / 2, statistic / 2);
}

interface Group {
  readonly expected: number;
  readonly met: number;
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0);

function isTooRare(expected: readonly number[]): boolean {
  const [least, allowed] = expected.length === 2 ? [10, 0] : [5, Math.floor(expected.length / 5)];
  return expected.filter((each) => each < least).length > allowed;
}

/** ln Γ(x) of half integers x from 1/2, by the recurrence from Γ(1/2) = √π and Γ(1) = 1. */
function logGammaOfHalves(x: number): number {
  let sum = Number.isInteger(x) ? 0 : Math.log(Math.PI) / 2;
  for (let factor = x - 1; factor > 0; factor -= 1) sum += Math.log(factor);
  return sum;
}

/** The regularized upper incomplete gamma function for half integers `a`: its series (DLMF 8.7.1), or its continued fraction (DLMF 8.9.2) far out. */
function upperGamma(a: number, x: number): number {
  if (!(x > 0)) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGammaOfHalves(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; term > sum * 1e-16; n += 1) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - sum * front);
  }
  // From the inside out: 200 steps are far more than doubles can tell apart beyond a + 1.
  let fraction = 0;
  for (let n = 200; n >= 1; n -= 1) fraction = (n * (a - n)) / (x + 2 * n + 1 - a + fraction);
  return front / (x + 1 - a + fraction);
}
