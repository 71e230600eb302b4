import type { Inhibits } from "./alert-policy.ts";
import type { AlertRecord, Muted } from "./alert-record.ts";
import { isActive, type KeptSilence } from "./silence.ts";

/**
 * Finds which of the alerts that fire are silenced or inhibited, and says so on each. One that is inhibited inhibits none, so that of two that inhibit each
 * other one is always told; one that is silenced does, as with Alertmanager.
 */
export function findMuted(
  firing: readonly AlertRecord[],
  silences: readonly KeptSilence[],
  { isTarget, inhibits }: Inhibits,
  nowMs: number,
): void {
  const active = silences.filter((silence) => isActive(silence, nowMs));
  const known = new Map<AlertRecord, Muted | undefined>();
  const asked = new Set<AlertRecord>();
  const inhibitionOf = (target: AlertRecord): Muted | undefined => {
    if (known.has(target)) return known.get(target);
    // Most are of no inhibition, and need no look at all others.
    if (!isTarget(target.labels)) return undefined;
    asked.add(target);
    const source = firing.find(
      (each) => !asked.has(each) && inhibits(each.labels, target.labels) && inhibitionOf(each) === undefined,
    );
    asked.delete(target);
    const muted: Muted | undefined =
      source === undefined ? undefined : { by: "inhibition", id: `${source.alert.name} ${source.alert.subject}` };
    known.set(target, muted);
    return muted;
  };
  for (const record of firing) {
    const silence = active.find(({ matches }) => matches(record.labels));
    const inhibited = inhibitionOf(record);
    record.muted = silence === undefined ? inhibited : { by: "silence", id: silence.silence.id };
  }
}
