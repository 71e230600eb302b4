import { logSumExp } from "./log-gamma.ts";

/** Errors of both variants while the candidate had one share of the traffic, in (0, 1]. */
export interface ErrorPhase {
  readonly share: number;
  readonly baseline: number;
  readonly candidate: number;
}

/** How many times the rate that is tolerated the candidate's may be: the alternatives that are mixed, with equal weights. */
const ratios: readonly number[] = [1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100];

/**
 * ln of the evidence that the candidate's error rate is more than `1 + tolerance` times the baseline's of the same moment.
 *
 * Requests go to the candidate by chance, with probability w: given that a request failed, it was the candidate's with probability at most
 * w' = w (1 + t) / (w (1 + t) + 1 − w) wherever p_candidate ≤ (1 + t) p_baseline, whatever the rates are and however they change over time: what hits both variants alike
 * is no evidence. (The conditional test of two rates: J. Przyborowski and H. Wilenski, Biometrika 31, 1940.) Each failure multiplies the evidence of the alternative ratio r by
 * r / (1 + w' (r − 1)) where it is the candidate's and by 1 / (1 + w' (r − 1)) where not: on average by at most 1. The mixture over r (H. Robbins, 1970; as the mixture
 * SPRT of R. Johari, P. Koomen, L. Pekelis and D. Walsh, "Peeking at A/B tests", KDD 2017) is therefore a nonnegative supermartingale that starts at 1, exactly and at any
 * sample size: with probability at most α it ever exceeds 1/α. Without errors it is 1, and while the candidate has all traffic it does not move.
 */
export function logEvidenceOfMoreErrors(phases: readonly ErrorPhase[], tolerance = 0): number {
  const terms = ratios.map((ratio) =>
    phases.reduce((sum, { share, baseline, candidate }) => {
      const raised = share * (1 + tolerance);
      const probability = raised / (raised + 1 - share);
      return sum + candidate * Math.log(ratio) - (candidate + baseline) * Math.log1p(probability * (ratio - 1));
    }, 0),
  );
  return logSumExp(terms) - Math.log(ratios.length);
}
