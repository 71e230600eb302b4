import type { Clock, Tensors } from "@millwright/contracts";

/** What a node answered to what it was asked, the oldest forgotten first. */
export interface NodeMemory {
  find(question: unknown): Tensors | undefined;
  keep(question: unknown, outputs: Tensors): void;
}

export function createNodeMemory(
  clock: Clock,
  {
    maxEntries = 1000,
    maxAgeMs = 60_000,
  }: { readonly maxEntries?: number | undefined; readonly maxAgeMs?: number | undefined },
): NodeMemory {
  const kept = new Map<string, { readonly outputs: Tensors; readonly sinceMs: number }>();
  return {
    find(question) {
      const found = kept.get(questionText(question));
      return found === undefined || clock.monotonicMs() - found.sinceMs > maxAgeMs ? undefined : found.outputs;
    },
    keep(question, outputs) {
      const key = questionText(question);
      kept.delete(key);
      kept.set(key, { outputs, sinceMs: clock.monotonicMs() });
      const [oldest] = kept.keys();
      if (kept.size > maxEntries && oldest !== undefined) kept.delete(oldest);
    },
  };
}

/** Equal for equal questions, whatever the order of their names. */
export function questionText(question: unknown): string {
  return JSON.stringify(question, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    if (ArrayBuffer.isView(value))
      return [value.constructor.name, ...Array.from(value as unknown as ArrayLike<unknown>)];
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)));
  });
}
