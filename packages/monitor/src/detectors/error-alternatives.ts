/** Shares of the right answers that become wrong, whatever their confidence. */
const lostShares: readonly number[] = [0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 0.8];
/** The chance at each answer that a change goes on to the next greater one: a drift that comes by degrees. */
const growth = 0.01;
/** The part of the weight that the two smallest changes have, from which the others are reached. */
const front = 0.5;
/** No sum grows beyond it, however long a warm-up is. */
const most = 1e200;

/** For each family of changes, and each change in it, the sum over all starts of the likelihood ratio since: `odds.length` sums for all answers, as many for the unsure ones, then those for lost answers. */
export const sumsOf = (odds: readonly number[]): number => 2 * odds.length + lostShares.length;

type Ratio = (change: number, share: number, error: number) => number;

/** The odds of an error have grown by a factor. */
const grown: Ratio = (odds, share, error) => (error === 1 ? odds : 1) / (1 - share + share * odds);
/** A share of the answers that would have been right is wrong. */
const lost: Ratio = (lostShare, share, error) =>
  error === 1 ? (share + lostShare * (1 - share)) / share : 1 - lostShare;
const untouched: Ratio = () => 1;

function entryOf(index: number, size: number): number {
  if (size <= 2) return 1 / size;
  return index < 2 ? front / 2 : (1 - front) / (size - 2);
}

/** Weighs one family, from its smallest change to its greatest, and returns the total of its sums. */
function weighFamily(
  sums: number[],
  from: number,
  changes: readonly number[],
  weight: number,
  ratio: Ratio,
  share: number,
  error: number,
): number {
  let total = 0;
  let arriving = 0;
  for (let index = 0; index < changes.length; index += 1) {
    const before = sums[from + index] as number;
    const leaving = index + 1 < changes.length ? growth * before : 0;
    const started = weight * entryOf(index, changes.length) + before - leaving + arriving;
    const now = Math.min(most, started * ratio(changes[index] as number, share, error));
    sums[from + index] = now;
    total += now;
    arriving = leaving;
  }
  return total;
}

/**
 * Weighs one answer against all changes, changing `sums` in place, and returns their total: the statistic. Changes that only confidences tell apart start at answers that have one.
 */
export function weighError(
  sums: number[],
  odds: readonly number[],
  share: number,
  error: number,
  isScored: boolean,
  isUnsure: boolean,
): number {
  const [all, others] = isScored ? thirds : whole;
  const unsure = isUnsure ? grown : untouched;
  return (
    weighFamily(sums, 0, odds, all, grown, share, error) +
    weighFamily(sums, odds.length, odds, others, unsure, share, error) +
    weighFamily(sums, 2 * odds.length, lostShares, others, lost, share, error)
  );
}

const thirds = [1 / 3, 1 / 3] as const;
const whole = [1, 0] as const;
