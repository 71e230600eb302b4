/** How many requests may be under way, learnt from how long they take. */
export interface AdaptiveConcurrency {
  /**
   * `aimd`: one more for each round of answers within two fifths of the endpoint's `latencyObjectiveMs`, a tenth fewer or more when one is later (additive increase,
   * multiplicative decrease, as of TCP; Chiu and Jain, 1989). `gradient`: by how far the latest answers are slower than they usually are, and within the
   * objective where there is one (the second gradient limit of Netflix' concurrency-limits).
   */
  readonly type: "aimd" | "gradient";
  /** Default: 1. */
  readonly min?: number | undefined;
  /** Default: 1,000. */
  readonly max?: number | undefined;
  /** Where it begins. Default: 16, within the two. */
  readonly initial?: number | undefined;
}

export interface ConcurrencyLimit {
  /** Whole, at least 1. */
  readonly limit: number;
  /**
   * @param latencyMs From when the request was let in to its answer.
   * @param inFlight How many were under way when it was answered, itself among them.
   * @param overloaded Whether what is behind said that it cannot take more.
   */
  observe(latencyMs: number, inFlight: number, nowMs: number, overloaded: boolean): void;
}

export function createConcurrencyLimit(
  concurrency: number | AdaptiveConcurrency,
  latencyObjectiveMs: number | undefined,
): ConcurrencyLimit {
  if (typeof concurrency === "number") return { limit: concurrency, observe: () => {} };
  const { type, min = 1, max = 1000, initial = 16 } = concurrency;
  const range = { min, max, initial: Math.min(max, Math.max(min, initial)) };
  // The rest is for waiting to be let in, and for those that take longer.
  const objectiveMs = (latencyObjectiveMs ?? Number.POSITIVE_INFINITY) * 0.4;
  return type === "gradient" ? gradient(range, objectiveMs) : aimd(range, objectiveMs);
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly initial: number;
}

function aimd({ min, max, initial }: Range, objectiveMs: number): ConcurrencyLimit {
  let limit = initial;
  let loweredMs = Number.NEGATIVE_INFINITY;
  return {
    get limit() {
      return Math.floor(limit);
    },
    observe(latencyMs, inFlight, nowMs, overloaded) {
      if (overloaded || latencyMs > objectiveMs) {
        // Answers that were under way when it was lowered tell of the time before.
        if (nowMs - loweredMs < latencyMs) return;
        limit = Math.max(min, limit * loweredBy(latencyMs, objectiveMs));
        loweredMs = nowMs;
        return;
      }
      // A limit that nothing reaches learns nothing.
      if (inFlight * 2 >= limit) limit = Math.min(max, limit + 1 / limit);
    },
  };
}

/** So many answers make the usual latency. */
const longWindow = 600;

/** A tenth, and more the later the answer is: what is far too many is not left to many rounds. */
const loweredBy = (latencyMs: number, objectiveMs: number): number =>
  Number.isFinite(objectiveMs) ? Math.min(0.9, Math.max(0.6, objectiveMs / latencyMs)) : 0.9;

function gradient({ min, max, initial }: Range, objectiveMs: number): ConcurrencyLimit {
  const within = aimd({ min, max, initial: max }, objectiveMs);
  let limit = initial;
  let usualMs: number | undefined;
  return {
    get limit() {
      return Math.floor(limit);
    },
    observe(latencyMs, inFlight, nowMs, overloaded) {
      within.observe(latencyMs, inFlight, nowMs, overloaded);
      const shortMs = Math.max(latencyMs, 1e-3);
      usualMs = usualMs === undefined ? shortMs : usualMs + (shortMs - usualMs) / longWindow;
      // After a time of load the usual is too long: it comes down faster than by its window.
      if (usualMs / shortMs > 2) usualMs *= 0.95;
      if (overloaded) {
        limit = Math.max(min, limit * 0.9);
        return;
      }
      if (inFlight * 2 < limit) return;
      const slope = Math.max(0.5, Math.min(1, (1.5 * usualMs) / shortMs));
      const next = limit * slope + Math.sqrt(limit);
      limit = Math.min(within.limit, Math.max(min, limit * 0.8 + next * 0.2));
    },
  };
}
