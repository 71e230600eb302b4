import type { CapturedLabel } from "@millwright/contracts";

export interface HeldLabel {
  readonly label: CapturedLabel;
  /** When it came. */
  readonly sinceMs: number;
}

/** Labels that came before their answers, in the order they came. */
export interface EarlyLabels {
  readonly size: number;
  hold(label: CapturedLabel, nowMs: number): void;
  /** Those of a request; they are held no longer. */
  take(requestId: string): readonly CapturedLabel[];
  /** Gives up what came earlier. */
  giveUp(beforeMs: number): void;
  /** All, in the order they came. */
  list(): readonly HeldLabel[];
}

/** @param lost Told of each label that is given up. */
export function createEarlyLabels(most: number, lost: (label: CapturedLabel) => void): EarlyLabels {
  // The labels of one request stand and fall together, by the time of the first.
  const held = new Map<string, { readonly sinceMs: number; readonly labels: CapturedLabel[] }>();
  let size = 0;
  const take = (requestId: string): readonly CapturedLabel[] => {
    const labels = held.get(requestId)?.labels ?? [];
    held.delete(requestId);
    size -= labels.length;
    return labels;
  };
  return {
    get size() {
      return size;
    },
    take,
    hold(label, nowMs) {
      const known = held.get(label.requestId);
      if (known === undefined) held.set(label.requestId, { sinceMs: nowMs, labels: [label] });
      else known.labels.push(label);
      size += 1;
      while (size > most) {
        const [oldest] = held.keys();
        if (oldest === undefined) return;
        take(oldest).forEach((label) => lost(label));
      }
    },
    list: () => [...held.values()].flatMap(({ sinceMs, labels }) => labels.map((label) => ({ label, sinceMs }))),
    giveUp(beforeMs) {
      for (const [requestId, { sinceMs }] of held) {
        if (sinceMs >= beforeMs) return;
        take(requestId).forEach((label) => lost(label));
      }
    },
  };
}
