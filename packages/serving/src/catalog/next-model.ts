export interface NextModelOptions {
  /** Least share of the requests after a model that went to another, for that to be expected. */
  readonly minShare: number;
  /** Least number of times that it was seen. */
  readonly minCount: number;
  /** Most models expected at once. */
  readonly most: number;
}

const rememberedModels = 10_000;
const rememberedFollowers = 16;
const forgetAt = 1000;

/** What was seen after each model, of what one session asks one after another: a Markov chain of the first order. */
export class NextModel {
  readonly #options: NextModelOptions;
  readonly #after = new Map<string, Map<string, number>>();
  /** The last model of each session, the one seen longest ago first. */
  readonly #last = new Map<string, string>();

  constructor(options: NextModelOptions) {
    this.#options = options;
  }

  /** @returns what the session is expected to ask next, the likeliest first. */
  see(session: string, target: string): readonly string[] {
    const before = this.#last.get(session);
    remember(this.#last, session, target);
    if (before !== undefined && before !== target) this.#count(before, target);
    return this.#expected(target);
  }

  #count(before: string, target: string): void {
    const followers = this.#after.get(before) ?? new Map<string, number>();
    remember(this.#after, before, followers);
    followers.set(target, (followers.get(target) ?? 0) + 1);
    if ((followers.get(target) ?? 0) > forgetAt) for (const [name, count] of followers) followers.set(name, count / 2);
    if (followers.size <= rememberedFollowers) return;
    const [rarest] = [...followers].toSorted(([, left], [, right]) => left - right);
    if (rarest !== undefined) followers.delete(rarest[0]);
  }

  #expected(target: string): readonly string[] {
    const followers = this.#after.get(target);
    if (followers === undefined) return [];
    const { minShare, minCount, most } = this.#options;
    const total = [...followers.values()].reduce((sum, count) => sum + count, 0);
    return [...followers]
      .filter(([, count]) => count >= minCount && count / total >= minShare)
      .toSorted(([, left], [, right]) => right - left)
      .slice(0, most)
      .map(([name]) => name);
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > rememberedModels && oldest !== undefined) map.delete(oldest);
}
