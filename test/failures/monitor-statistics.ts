import * as statistics from "../../packages/monitor/dist/statistics.js";
import { type Subject, type Subjects, well } from "./subjects.ts";

type Numbers = (...values: number[]) => unknown;

/** A function of numbers alone, and numbers that are out of its range. */
const numbers = (name: string, good: readonly number[], wrong: readonly number[]): readonly [string, Subject] => {
  const call = (statistics as unknown as Readonly<Record<string, Numbers>>)[name] as Numbers;
  return [name, well(call, () => good, { MONITOR_PARAMETER_INVALID: () => call(...wrong) })];
};

const distributions = [
  numbers("normalCdf", [1], [Number.NaN]),
  numbers("normalSurvival", [1], [Number.NaN]),
  numbers("normalTails", [1], [Number.NaN]),
  numbers("normalQuantile", [0.3], [2]),
  numbers("normalUpperQuantile", [0.3], [-1]),
  numbers("chiSquaredCdf", [3, 2], [3, 0]),
  numbers("chiSquaredSurvival", [3, 2], [Number.NaN, 2]),
  numbers("chiSquaredQuantile", [0.3, 2], [1.1, 2]),
  numbers("gammaQuantile", [0.3, 2], [0.3, -2]),
  numbers("betaCdf", [0.3, 2, 3], [0.3, 0, 3]),
  numbers("betaSurvival", [0.3, 2, 3], [0.3, 1, 0]),
  numbers("betaQuantile", [0.3, 2, 3], [3, 2, 3]),
  numbers("studentTCdf", [1, 5], [1, 0]),
  numbers("studentTSurvival", [1, 5], [Number.NaN, 5]),
  numbers("studentTTails", [1, 5], [1, -1]),
  numbers("studentTQuantile", [0.3, 5], [1.3, 5]),
  numbers("fCdf", [1, 5, 6], [1, 0, 6]),
  numbers("fSurvival", [1, 5, 6], [1, 5, 0]),
  numbers("binomialProbability", [1, 5, 0.2], [1, 5, 1.2]),
  numbers("binomialCdf", [1, 5, 0.2], [1, -5, 0.2]),
  numbers("binomialSurvival", [1, 5, 0.2], [1, 5.5, 0.2]),
  numbers("clopperPearsonInterval", [1, 5, 0.9], [6, 5]),
  numbers("poissonInterval", [4, 0.9], [-1]),
];

export const statisticsSubjects: Subjects = Object.fromEntries(distributions);
