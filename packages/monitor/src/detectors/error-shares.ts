/** Ranges of confidence: 1 − confidence by halves, down to 2^-12; the last one is for answers without. */
export const ranges = 14;
export const unscored: number = ranges - 1;

/** Right answers and errors that are taken for seen before the first: a fifth of them errors. */
const firstAnswers = 10;
const firstErrors = 2;
/** Answers that a range's own errors must outweigh before they count more than those of all ranges. */
const borrowed = 2;
/** No error is weighed as if it were rarer. */
const leastShare = 1e-4;
/** How probable it is, right after an alarm, that nothing has changed: an alarm in a stream of few drifts is often a false one. */
const trustAfterAlarm = 0.7;
/** What was kept is as certain as this when it is joined with what came since. */
const certain = 0.999;

/** How often answers are wrong, for each range of confidence, as it is learned: since the last alarm, and before it. */
export interface ErrorShares {
  /** For each range: answers and errors. */
  answers: number[];
  errors: number[];
  /** The same of the time before the last alarm. */
  keptAnswers: number[];
  keptErrors: number[];
  /** The probability that what was before the last alarm still holds. */
  trust: number;
}

const none = (): number[] => Array.from({ length: ranges }, () => 0);

export const noShares = (): ErrorShares => ({
  answers: none(),
  errors: none(),
  keptAnswers: none(),
  keptErrors: none(),
  trust: 0,
});

export const rangeOf = (confidence: number): number =>
  confidence >= 1 ? unscored - 1 : Math.min(unscored - 1, Math.floor(-Math.log2(1 - confidence)));

function totalOf(counts: readonly number[]): number {
  let total = 0;
  for (let range = 0; range < ranges; range += 1) total += counts[range] as number;
  return total;
}

/** What is expected in a range: its own share of errors, drawn to that of all ranges while it has few. */
function drawn(answers: number, errors: number, allAnswers: number, allErrors: number): number {
  const overall = (allErrors + firstErrors) / (allAnswers + firstAnswers);
  return Math.max(leastShare, (errors + borrowed * overall) / (answers + borrowed));
}

/** The share of errors in a range if all began anew at the last alarm. */
export const freshShare = ({ answers, errors }: ErrorShares, range: number): number =>
  drawn(answers[range] as number, errors[range] as number, totalOf(answers), totalOf(errors));

/** The share of errors in a range if the last alarm was a false one. */
export const keptShare = ({ answers, errors, keptAnswers, keptErrors }: ErrorShares, range: number): number =>
  drawn(
    (answers[range] as number) + (keptAnswers[range] as number),
    (errors[range] as number) + (keptErrors[range] as number),
    totalOf(answers) + totalOf(keptAnswers),
    totalOf(errors) + totalOf(keptErrors),
  );

/** Whether a range lies in the less confident half of the answers so far; answers without a confidence lie there. */
export function isUnsure({ answers }: ErrorShares, range: number): boolean {
  if (range === unscored) return true;
  let below = 0;
  for (let each = 0; each < range; each += 1) below += answers[each] as number;
  const scored = totalOf(answers) - (answers[unscored] as number);
  return 2 * below + (answers[range] as number) <= scored;
}

/** Learns from an answer of which both shares were expected, and by Bayes's rule which of the two holds. */
export function learnError(shares: ErrorShares, range: number, error: number, fresh: number, kept: number): void {
  if (shares.trust > 0) {
    const held = shares.trust * (error === 1 ? kept : 1 - kept);
    shares.trust = held / (held + (1 - shares.trust) * (error === 1 ? fresh : 1 - fresh));
  }
  shares.answers[range] = (shares.answers[range] as number) + 1;
  shares.errors[range] = (shares.errors[range] as number) + error;
  if (shares.trust > certain) join(shares);
}

/** Takes what was kept for part of what came since. */
function join(shares: ErrorShares): void {
  for (let range = 0; range < ranges; range += 1) {
    shares.answers[range] = (shares.answers[range] as number) + (shares.keptAnswers[range] as number);
    shares.errors[range] = (shares.errors[range] as number) + (shares.keptErrors[range] as number);
    shares.keptAnswers[range] = 0;
    shares.keptErrors[range] = 0;
  }
  shares.trust = 0;
}

/** What an alarm leaves: all begins anew, and what was there is kept for the case that it was a false one. */
export function afterAlarm(shares: ErrorShares): ErrorShares {
  if (shares.trust > 0.5) join(shares);
  return { ...noShares(), keptAnswers: shares.answers, keptErrors: shares.errors, trust: trustAfterAlarm };
}
