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
  /** How often the variant had begun anew with another model. Default: 0, as after a restart. */
  readonly era?: number | undefined;
}

/** Answers that labels may come for, by request, the oldest first. */
export interface WaitingAnswers {
  get(requestId: string): Answer | undefined;
  has(requestId: string): boolean;
  /** Beyond the most, the oldest is forgotten. */
  add(requestId: string, answer: Answer): void;
  forget(olderThanMs: number): void;
  /** The variant begins anew with another model: labels of what waits say nothing of that. */
  startOver(endpoint: string, variant: string): void;
  /** The era of answers that come now. */
  eraOf(endpoint: string, variant: string): number;
  /** Whether the variant still serves the model that answered. */
  isCurrent(answer: Answer): boolean;
  /** Those of `fromMs` and later, of models that are still served, in their order. */
  list(fromMs: number): readonly (readonly [requestId: string, answer: Answer])[];
}

export function createWaitingAnswers(most: number): WaitingAnswers {
  const waiting = new Map<string, Answer>();
  const eras = new Map<string, number>();
  const keyOf = (endpoint: string, variant: string): string => JSON.stringify([endpoint, variant]);
  const eraOf = (endpoint: string, variant: string): number =>
    eras.size === 0 ? 0 : (eras.get(keyOf(endpoint, variant)) ?? 0);
  const isCurrent = ({ endpoint, variant, era = 0 }: Answer): boolean => era === eraOf(endpoint, variant);
  return {
    startOver: (endpoint, variant) => void eras.set(keyOf(endpoint, variant), eraOf(endpoint, variant) + 1),
    eraOf,
    isCurrent,
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
    list: (fromMs) => [...waiting].filter(([, answer]) => answer.timeMs >= fromMs && isCurrent(answer)),
  };
}
