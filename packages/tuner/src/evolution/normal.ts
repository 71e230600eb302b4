import { logNormalMass } from "../samplers/normal-mass.ts";

/** Φ(z), with a small relative error in the lower tail. */
export const normalBelow = (z: number): number => (z === -Infinity ? 0 : Math.exp(logNormalMass(-Infinity, z)));

/** Coefficients of P. J. Acklam's rational approximation of Φ⁻¹, whose relative error is below 1.15e-9. */
const CENTRE_NUMERATOR = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const CENTRE_DENOMINATOR = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1,
];
const TAIL_NUMERATOR = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const TAIL_DENOMINATOR = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1];

/** The z with Φ(z) = probability, for a probability between 0 and 1: Acklam's approximation and one step of Halley. */
export function normalQuantile(probability: number): number {
  if (probability > 0.5) return -normalQuantile(1 - probability);
  let z: number;
  if (probability < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(probability));
    z = polynomial(TAIL_NUMERATOR, q) / polynomial(TAIL_DENOMINATOR, q);
  } else {
    const q = probability - 0.5;
    z = (polynomial(CENTRE_NUMERATOR, q * q) * q) / polynomial(CENTRE_DENOMINATOR, q * q);
  }
  const error = (normalBelow(z) - probability) * Math.sqrt(2 * Math.PI) * Math.exp((z * z) / 2);
  return z - error / (1 + (z * error) / 2);
}

function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of coefficients) value = value * x + coefficient;
  return value;
}
