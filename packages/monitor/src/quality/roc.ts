/** Rows by falling score, and where runs of equal scores end. */
export interface RankedScores {
  readonly order: Int32Array;
  /** One past the last place of each run. */
  readonly ends: Int32Array;
}

export function rankScores(scores: Float64Array): RankedScores {
  const order = Int32Array.from(scores.keys()).sort((a, b) => (scores[b] as number) - (scores[a] as number));
  const ends: number[] = [];
  for (let place = 1; place <= order.length; place += 1)
    if (place === order.length || scores[order[place] as number] !== scores[order[place - 1] as number])
      ends.push(place);
  return { order, ends: Int32Array.from(ends) };
}

export interface Curves {
  /** The share of pairs of a positive and a negative that are in order; ties count half. NaN without one of the two. */
  readonly auc: number;
  /** Σ (recall − the recall before) · precision, over the runs of equal scores by falling score. NaN without positives. */
  readonly averagePrecision: number;
}

/** @param truth 0 or 1 by row. */
export function curvesOf({ order, ends }: RankedScores, truth: Float64Array, weights: Float64Array): Curves {
  let [positives, negatives, concordant, precisionSum] = [0, 0, 0, 0];
  let start = 0;
  for (const end of ends) {
    let [runPositives, runNegatives] = [0, 0];
    for (let place = start; place < end; place += 1) {
      const row = order[place] as number;
      if (truth[row] === 1) runPositives += weights[row] as number;
      else runNegatives += weights[row] as number;
    }
    // Negatives of the run lie below all positives seen before it.
    concordant += runNegatives * (positives + runPositives / 2);
    positives += runPositives;
    negatives += runNegatives;
    if (runPositives > 0) precisionSum += (runPositives * positives) / (positives + negatives);
    start = end;
  }
  const pairs = positives * negatives;
  return {
    auc: pairs > 0 ? concordant / pairs : Number.NaN,
    averagePrecision: positives > 0 ? precisionSum / positives : Number.NaN,
  };
}

/** Positives and negatives of one score, or of one bin of scores. */
export interface ScoreRun {
  readonly positives: number;
  readonly negatives: number;
}

/** By rising score: the area under the ROC curve, and DeLong's variance of it, by the sums of Sun and Xu (2014). Both NaN where a class has no row; the variance where one has but one. */
export function delong(runs: readonly ScoreRun[]): { readonly auc: number; readonly variance: number } {
  const positives = runs.reduce((sum, run) => sum + run.positives, 0);
  const negatives = runs.reduce((sum, run) => sum + run.negatives, 0);
  if (positives === 0 || negatives === 0) return { auc: Number.NaN, variance: Number.NaN };
  const walk = (each: (run: ScoreRun, below: ScoreRun) => void): void => {
    let below: ScoreRun = { positives: 0, negatives: 0 };
    for (const run of runs) {
      each(run, below);
      below = { positives: below.positives + run.positives, negatives: below.negatives + run.negatives };
    }
  };
  /** The share of negatives that lie below a positive of the run. */
  const above = (run: ScoreRun, below: ScoreRun): number => (below.negatives + run.negatives / 2) / negatives;
  /** The share of positives that lie above a negative of the run. */
  const beneath = (run: ScoreRun, below: ScoreRun): number => 1 - (below.positives + run.positives / 2) / positives;
  let auc = 0;
  walk((run, below) => (auc += (run.positives * above(run, below)) / positives));
  let [ofPositives, ofNegatives] = [0, 0];
  walk((run, below) => {
    ofPositives += run.positives * (above(run, below) - auc) ** 2;
    ofNegatives += run.negatives * (beneath(run, below) - auc) ** 2;
  });
  const part = (squares: number, count: number): number => (count < 2 ? Number.NaN : squares / (count - 1) / count);
  return { auc, variance: part(ofPositives, positives) + part(ofNegatives, negatives) };
}

/** The runs of equal scores, by rising score. */
export function scoreRuns({ order, ends }: RankedScores, truth: Float64Array): readonly ScoreRun[] {
  const runs: ScoreRun[] = [];
  let start = 0;
  for (const end of ends) {
    let positives = 0;
    for (let place = start; place < end; place += 1) positives += truth[order[place] as number] as number;
    runs.push({ positives, negatives: end - start - positives });
    start = end;
  }
  return runs.toReversed();
}
