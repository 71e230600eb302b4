import type { FullPolicy } from "./alert-policy.ts";
import type { AlertRecord } from "./alert-record.ts";

/** When alerts began to fire: those that do so again and again flap. */
export interface AlertBegins {
  note(rule: string, key: string, timeMs: number): void;
  isFlapping(record: Pick<AlertRecord, "rule" | "key">, nowMs: number): boolean;
  /** Forgets what no window reaches any more. */
  forget(nowMs: number): void;
}

export function createAlertBegins(policyOf: (rule: string) => FullPolicy): AlertBegins {
  const begun = new Map<string, { readonly rule: string; readonly times: readonly number[] }>();
  return {
    note(rule, key, timeMs) {
      const { begins } = policyOf(rule).flap;
      const times = [...(begun.get(key)?.times ?? []), timeMs].slice(-begins);
      begun.set(key, { rule, times });
    },
    isFlapping({ rule, key }, nowMs) {
      const { begins, windowMs } = policyOf(rule).flap;
      const { times = [] } = begun.get(key) ?? {};
      return times.length >= begins && nowMs - (times[0] as number) < windowMs;
    },
    forget(nowMs) {
      for (const [key, { rule, times }] of begun)
        if (nowMs - (times.at(-1) as number) >= policyOf(rule).flap.windowMs) begun.delete(key);
    },
  };
}
