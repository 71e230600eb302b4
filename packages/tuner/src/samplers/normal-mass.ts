/** Coefficients of W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), tables II and III. */
const MIDDLE_NUMERATOR = [
  2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2,
  8.8195222124176909e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
];
const MIDDLE_DENOMINATOR = [
  1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
  4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
];
const FAR_NUMERATOR = [
  1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
  1.60837851487422766e-2, 6.58749161529837803e-4,
];
const FAR_DENOMINATOR = [
  1, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3,
];
const NEAR_NUMERATOR = [
  1.85777706184603153e-1, 3.1611237438705656, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3,
];
const NEAR_DENOMINATOR = [
  1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3,
];

/** exp(x²)·erfc(x) for x ≥ 0: finite where erfc itself is lost to underflow. */
export function scaledErfc(x: number): number {
  if (x < 0.46875) {
    const square = x * x;
    const erf = (x * polynomial(NEAR_NUMERATOR, square)) / polynomial(NEAR_DENOMINATOR, square);
    return Math.exp(square) * (1 - erf);
  }
  if (x <= 4) return polynomial(MIDDLE_NUMERATOR, x) / polynomial(MIDDLE_DENOMINATOR, x);
  const inverse = 1 / (x * x);
  const tail = (inverse * polynomial(FAR_NUMERATOR, inverse)) / polynomial(FAR_DENOMINATOR, inverse);
  return (1 / Math.sqrt(Math.PI) - tail) / x;
}

function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of coefficients) value = value * x + coefficient;
  return value;
}

/** log Φ(z) for z ≤ 0, exact in the far tail. */
const logLowerTail = (z: number): number => Math.log(scaledErfc(-z * Math.SQRT1_2) / 2) - (z * z) / 2;

/** Φ(z) for z ≤ 0. */
const lowerTail = (z: number): number => (scaledErfc(-z * Math.SQRT1_2) / 2) * Math.exp((-z * z) / 2);

/** Below it Φ is less than an ulp of 1. */
const NOTHING = -8.5;

/** log of the standard normal probability of [low, high], for low < high; accurate in both tails. */
export function logNormalMass(low: number, high: number): number {
  if (low > 0) return logNormalMass(-high, -low);
  if (high > 0) return Math.log1p(-((low < NOTHING ? 0 : lowerTail(low)) + (-high < NOTHING ? 0 : lowerTail(-high))));
  const upper = logLowerTail(high);
  return upper + Math.log1p(-Math.exp(logLowerTail(low) - upper));
}
