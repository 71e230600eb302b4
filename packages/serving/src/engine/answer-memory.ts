import type { Clock } from "@millwright/contracts";
import type { PredictRequest } from "./prediction.ts";

export interface MemoryOptions {
  readonly maxEntries?: number | undefined;
  /** What is older is not found, milliseconds. */
  readonly maxAgeMs?: number | undefined;
}

/** What was answered to what was asked, in this process; the one kept first is forgotten first. */
export interface AnswerMemory<Answer> {
  find(question: unknown): Answer | undefined;
  keep(question: unknown, answer: Answer): void;
}

export function createAnswerMemory<Answer>(
  clock: Clock,
  { maxEntries, maxAgeMs }: { readonly maxEntries: number; readonly maxAgeMs: number },
): AnswerMemory<Answer> {
  const kept = new Map<string, { readonly answer: Answer; readonly sinceMs: number }>();
  return {
    find(question) {
      const found = kept.get(questionText(question));
      return found === undefined || clock.monotonicMs() - found.sinceMs > maxAgeMs ? undefined : found.answer;
    },
    keep(question, answer) {
      const key = questionText(question);
      // The last one kept is the last one to go.
      kept.delete(key);
      kept.set(key, { answer, sinceMs: clock.monotonicMs() });
      const [oldest] = kept.keys();
      if (kept.size > maxEntries && oldest !== undefined) kept.delete(oldest);
    },
  };
}

/** What of a request its answer may depend on: who asks as well, whose features may be others. */
export const questionOf = ({
  entities,
  request,
  instances,
  inputs,
  principal,
  tenant,
  priority,
}: PredictRequest): unknown => [entities, request, instances, inputs, principal, tenant, priority];

/** Equal for equal questions, whatever the order of their names. */
function questionText(question: unknown): string {
  return JSON.stringify(question, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    if (ArrayBuffer.isView(value))
      return [value.constructor.name, ...Array.from(value as unknown as ArrayLike<unknown>)];
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)));
  });
}
