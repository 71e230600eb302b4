import { qualityInvalid } from "../errors.ts";
import { mostClasses } from "./class-sums.ts";
import type { ClassName } from "./classes.ts";
import type { QualityOptions } from "./quality.ts";
import type { Outcome, Scoring } from "./quality-sums.ts";

export const scoringOf = ({ kind, threshold = 0.5 }: Pick<QualityOptions, "kind" | "threshold">): Scoring => ({
  kind,
  threshold,
});

const kinds: readonly unknown[] = ["binary", "regression", "classes"];

/** Throws `MONITOR_QUALITY_INVALID` for an answer that cannot be found or scored, and for classes that cannot be told apart. */
export function checkQuality(
  endpoint: string,
  { output, kind, threshold = 0.5, classes, top = 3 }: QualityOptions,
): void {
  if (typeof output !== "string" || output === "")
    throw qualityInvalid(`of the endpoint ${JSON.stringify(endpoint)} no output is named that holds the answer`);
  if (!kinds.includes(kind))
    throw qualityInvalid(`answers are binary, of a regression or of classes, not ${JSON.stringify(kind)}`);
  if (!(threshold >= 0 && threshold <= 1)) throw qualityInvalid(`the threshold must be in [0, 1], not ${threshold}`);
  if (kind !== "classes") {
    if (classes !== undefined) throw qualityInvalid(`classes are named for the kind ${JSON.stringify(kind)}`);
    return;
  }
  if (!Array.isArray(classes) || classes.length < 2 || classes.length > mostClasses)
    throw qualityInvalid(`the names of 2 to ${mostClasses} classes are needed`);
  if (new Set(classes).size !== classes.length) throw qualityInvalid("a class stands twice among the classes");
  if (!Number.isSafeInteger(top) || top < 1) throw qualityInvalid(`top must be a whole number from 1, not ${top}`);
}

/** The numbers that a row answered: one, or one a class. */
const numbersOf = (scores: readonly number[], row: number, width: number): readonly number[] =>
  scores.slice(row * width, (row + 1) * width);

/** The score of each row that it is put in a bin by: of `classes` the largest probability. */
export function binnedScores(
  scores: readonly number[],
  { classes }: Pick<QualityOptions, "classes">,
): readonly number[] {
  if (classes === undefined) return scores;
  const width = classes.length;
  return Array.from({ length: scores.length / width }, (_, row) => Math.max(...numbersOf(scores, row, width)));
}

/**
 * A row's answer and the truth of it; undefined where there is no such row. Of an answer that is no number, `predicted` is none.
 * @param truth Of `classes` the number of the class; their count for one that the answer does not know, which gave it no probability.
 * @param unknown The name of that one.
 */
export function rowOutcome(
  scores: readonly number[],
  row: number,
  truth: number,
  { classes, top = 3 }: Pick<QualityOptions, "classes" | "top">,
  unknown?: ClassName,
): Pick<Outcome, "predicted" | "actual" | "classes"> | undefined {
  if (classes === undefined) {
    const predicted = scores[row];
    return predicted === undefined ? undefined : { predicted, actual: truth };
  }
  const numbers = numbersOf(scores, row, classes.length);
  if (row < 0 || numbers.length < classes.length) return undefined;
  const predicted = Math.max(...numbers);
  const answer = numbers.indexOf(predicted);
  const isKnown = truth < classes.length;
  const own = isKnown ? (numbers[truth] as number) : 0;
  const all = numbers.reduce((sum, each) => sum + each, 0);
  // Of equal probabilities the later class comes first, as `scoreClasses` has it.
  const before = numbers.filter((each, index) => each > own || (each === own && index > truth)).length;
  return {
    predicted,
    actual: answer === truth ? 1 : 0,
    classes: {
      names: isKnown ? classes : [...classes, unknown as ClassName],
      truth,
      answer,
      inTop: isKnown && before < top,
      logLoss: -Math.log(Math.min(1, Math.max(Number.EPSILON, own / all))),
      brier: numbers.reduce((sum, each, index) => sum + (each - (index === truth ? 1 : 0)) ** 2, isKnown ? 0 : 1),
    },
  };
}
