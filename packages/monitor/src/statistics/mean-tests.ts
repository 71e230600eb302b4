import { parameterInvalid, sampleInvalid } from "../errors.ts";
import { studentTSurvival, studentTTails } from "./distributions.ts";
import { type Alternative, checkAlternative, finiteSample, momentsOf, type TestResult } from "./samples.ts";

export interface MeanTestOptions {
  /** Both sides have one variance (Student, 1908), or each its own (Welch, 1947). Default: false, Welch's. */
  readonly equalVariances?: boolean | undefined;
  /** Default: `two-sided`. */
  readonly alternative?: Alternative | undefined;
}

export interface MeanTestResult extends TestResult {
  readonly degreesOfFreedom: number;
}

/**
 * The t-test of two means; positive where the first is larger. Two constants that differ give ±∞ and 0. Throws `MONITOR_SAMPLE_EMPTY`, and `MONITOR_SAMPLE_INVALID`
 * for NaN, infinities, a side with one value, and two constants that are equal, where the statistic is 0/0.
 */
export function meanTest(
  x: Iterable<number>,
  y: Iterable<number>,
  { equalVariances = false, alternative = "two-sided" }: MeanTestOptions = {},
): MeanTestResult {
  checkAlternative(alternative);
  const [a, b] = [finiteSample(x, "first sample"), finiteSample(y, "second sample")];
  const [n, m] = [a.length, b.length];
  if (n < 2 || m < 2) throw sampleInvalid(n < 2 ? "first sample" : "second sample", "it holds one value");
  const [one, two] = [momentsOf(a), momentsOf(b)];
  const [varianceX, varianceY] = [(one.variance * n) / (n - 1), (two.variance * m) / (m - 1)];
  const { error, degreesOfFreedom } = equalVariances
    ? pooled(varianceX, n, varianceY, m)
    : welch(varianceX / n, n, varianceY / m, m);
  const difference = one.mean - two.mean;
  if (error === 0 && difference === 0) throw sampleInvalid("two samples", "both hold one and the same value");
  const statistic = difference / error;
  return { statistic, degreesOfFreedom, pValue: tailOf(statistic, degreesOfFreedom, alternative) };
}

interface Spread {
  readonly error: number;
  readonly degreesOfFreedom: number;
}

const pooled = (varianceX: number, n: number, varianceY: number, m: number): Spread => {
  const degreesOfFreedom = n + m - 2;
  const variance = ((n - 1) * varianceX + (m - 1) * varianceY) / degreesOfFreedom;
  return { error: Math.sqrt(variance * (1 / n + 1 / m)), degreesOfFreedom };
};

/** With the degrees of freedom of Welch and Satterthwaite. */
const welch = (x: number, n: number, y: number, m: number): Spread => ({
  error: Math.sqrt(x + y),
  degreesOfFreedom: x + y === 0 ? n + m - 2 : (x + y) ** 2 / (x ** 2 / (n - 1) + y ** 2 / (m - 1)),
});

function tailOf(t: number, degreesOfFreedom: number, alternative: Alternative): number {
  if (!(degreesOfFreedom > 0)) throw parameterInvalid(`there are ${degreesOfFreedom} degrees of freedom`);
  if (alternative === "two-sided") return studentTTails(t, degreesOfFreedom);
  return studentTSurvival(alternative === "greater" ? t : -t, degreesOfFreedom);
}
