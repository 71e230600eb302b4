import type { Clock } from "@millwright/contracts";

/** How long a `Retry-After` header asks to wait: seconds or a date; undefined where it is neither. */
export function retryAfterMs(header: string | null, clock: Clock): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - clock.nowMs();
  return Number.isFinite(waitMs) && waitMs >= 0 ? waitMs : undefined;
}
