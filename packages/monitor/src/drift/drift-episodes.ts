/** What was found of one column in one window, in the order of time. */
export interface WindowVerdict {
  readonly startMs: number;
  readonly drifted: boolean;
}

/** Windows that drifted together: from the first to the last that did, both by their start. */
export interface DriftEpisode {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Three of four windows in a row: where nothing is wrong, and windows are independent, that comes once in 250,000 windows at `alpha` 0.01. */
const [begins, of] = [3, 4];
/** So many windows in a row that do not drift end it. */
const ends = 3;

const dayMs = 86_400_000;
/** What comes at the same time of day, or of the week, */
const recurrences = [dayMs, 7 * dayMs];
/** for so many times, is no incident. */
const times = 3;

/** An episode begins where three of four windows in a row have drifted, and ends where three in a row have not: a false alarm of one window, or of two, is none. */
export function driftEpisodes(verdicts: readonly WindowVerdict[]): readonly DriftEpisode[] {
  const found: DriftEpisode[] = [];
  let current: { fromMs: number; toMs: number } | undefined;
  let calm = 0;
  for (const [index, { startMs, drifted }] of verdicts.entries()) {
    calm = drifted ? 0 : calm + 1;
    if (current !== undefined) {
      if (drifted) current.toMs = startMs;
      if (calm === ends) current = undefined;
      continue;
    }
    const last = verdicts.slice(Math.max(0, index + 1 - of), index + 1).filter((each) => each.drifted);
    if (!drifted || last.length < begins) continue;
    current = { fromMs: (last[0] as WindowVerdict).startMs, toMs: startMs };
    found.push(current);
  }
  return found;
}

/**
 * The starts of the windows that are no history, since they are of an episode. Not among them is what recurs: windows of three episodes a day, or a week, apart, with calm
 * for at least half of the time in between, are what the stream does at that time.
 */
export function heldOutWindows(verdicts: readonly WindowVerdict[]): ReadonlySet<number> {
  const episodes = driftEpisodes(verdicts);
  const inside = ({ startMs }: WindowVerdict): boolean =>
    episodes.some(({ fromMs, toMs }) => startMs >= fromMs && startMs <= toMs);
  const held = new Set(verdicts.filter(inside).map(({ startMs }) => startMs));
  const recurring = recurrences.flatMap((lagMs) =>
    [...held].flatMap((startMs) => chainFrom(startMs, lagMs, verdicts, held)),
  );
  for (const startMs of recurring) held.delete(startMs);
  return held;
}

/** The windows of the same phase that begin at `startMs`, if there are enough of them. */
function chainFrom(
  startMs: number,
  lagMs: number,
  verdicts: readonly WindowVerdict[],
  held: ReadonlySet<number>,
): readonly number[] {
  const chain = Array.from({ length: times }, (_, index) => startMs + index * lagMs);
  if (!chain.every((each) => held.has(each))) return [];
  const between = verdicts.filter((each) => each.startMs > startMs && each.startMs < (chain.at(-1) as number));
  const calm = between.filter((each) => !held.has(each.startMs)).length;
  return calm >= between.length / 2 ? chain : [];
}
