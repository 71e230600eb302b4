import type { AnswerReading } from "./answer-readings.ts";
import type { SampledRow } from "./row-sample.ts";

/** An answer as labels need it. */
export interface Answer {
  readonly endpoint: string;
  readonly variant: string;
  /** When the request came. */
  readonly timeMs: number;
  /** What was answered, row by row: one number each, or one a class. */
  readonly scores: readonly number[];
  /** How the scores are meant: they were given in the order of its classes. */
  readonly reading: AnswerReading;
  /** Keys of the segments of each row, as the redactor left them; none where there are none. */
  readonly segments: readonly (readonly string[])[];
  /** Rows of it that are kept, and take the label. */
  readonly sampled: readonly SampledRow[];
}

/** Answers that labels may come for, by request, the oldest first. */
export interface WaitingAnswers {
  get(requestId: string): Answer | undefined;
  has(requestId: string): boolean;
  /** Beyond the most, the oldest is forgotten. */
  add(requestId: string, answer: Answer): void;
  forget(olderThanMs: number): void;
  /** Those of `fromMs` and later, in their order. */
  list(fromMs: number): readonly (readonly [requestId: string, answer: Answer])[];
}

export function createWaitingAnswers(most: number): WaitingAnswers {
  const waiting = new Map<string, Answer>();
  return {
    get: (requestId) => waiting.get(requestId),
    has: (requestId) => waiting.has(requestId),
    add(requestId, answer) {
      waiting.set(requestId, answer);
      const [oldest] = waiting.size > most ? waiting.keys() : [];
      if (oldest !== undefined) waiting.delete(oldest);
    },
    forget(olderThanMs) {
      for (const [requestId, { timeMs }] of waiting) {
        if (timeMs >= olderThanMs) break;
        waiting.delete(requestId);
      }
    },
    list: (fromMs) => [...waiting].filter(([, { timeMs }]) => timeMs >= fromMs),
  };
}
