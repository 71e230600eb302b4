/**
 * How far from 0 a variable of Student's t distribution stays with this probability: the t of a two-sided interval. Found by bisection on the closed form for
 * whole degrees of freedom, Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
 * @param probability In (0, 1).
 * @param degrees Of freedom, a whole number from 1.
 */
export function studentTwoSided(probability: number, degrees: number): number {
  let low = 0;
  let high = Math.PI / 2;
  for (let round = 0; round < 60; round += 1) {
    const middle = (low + high) / 2;
    if (massWithin(middle, degrees) < probability) low = middle;
    else high = middle;
  }
  return Math.tan(low) * Math.sqrt(degrees);
}

/** P(|T| < t) at θ = arctan(t / √degrees). */
function massWithin(angle: number, degrees: number): number {
  const sine = Math.sin(angle);
  const cosine = Math.cos(angle);
  const isOdd = degrees % 2 === 1;
  if (degrees === 1) return (2 * angle) / Math.PI;
  let term = isOdd ? cosine : 1;
  let sum = term;
  for (let power = isOdd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= ((power - 1) / power) * cosine * cosine;
    sum += term;
    if (term < 1e-17 * sum) break;
  }
  return isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
