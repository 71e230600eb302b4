import type { Clock } from "@millwright/contracts";
import type { HealthCheck } from "./health.ts";

/** How long an answer of a deep ping is good for, milliseconds: pings are open to all, and must not become load. */
const freshMs = 1_000;

/** Checks at most once a second, and once for all who ask at the same time. */
export function sharedCheck(
  clock: Pick<Clock, "monotonicMs">,
  check: () => Promise<HealthCheck>,
): () => Promise<HealthCheck> {
  let latest: { readonly answer: Promise<HealthCheck>; endMs: number } | undefined;
  return () => {
    if (latest !== undefined && clock.monotonicMs() < latest.endMs) return latest.answer;
    const answer = check();
    const mine = { answer, endMs: Number.POSITIVE_INFINITY };
    const settled = (): void => {
      mine.endMs = clock.monotonicMs() + freshMs;
    };
    answer.then(settled, settled);
    latest = mine;
    return answer;
  };
}
