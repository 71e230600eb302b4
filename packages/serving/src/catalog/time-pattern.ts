export interface TimePatternOptions {
  /** After how long traffic repeats itself, milliseconds: a day. */
  readonly periodMs: number;
  /** How finely it is looked at, milliseconds. */
  readonly slotMs: number;
  /** Most models expected in a slot. */
  readonly most: number;
}

const rememberedModels = 1000;
/** What a slot was one period ago weighs twice what it was two periods ago. */
const decay = 0.5;

/** Which models are asked at which time of a period: counts by slot, of which older periods weigh less. */
export class TimePattern {
  readonly #options: TimePatternOptions;
  readonly #slots = new Map<number, { period: number; readonly counts: Map<string, number> }>();

  constructor(options: TimePatternOptions) {
    this.#options = options;
  }

  /** When the slot after this time begins. */
  nextSlotMs(nowMs: number): number {
    const { slotMs } = this.#options;
    return (Math.floor(nowMs / slotMs) + 1) * slotMs;
  }

  see(target: string, nowMs: number): void {
    const { counts } = this.#slotAt(nowMs);
    counts.set(target, (counts.get(target) ?? 0) + 1);
    if (counts.size <= rememberedModels) return;
    const [rarest] = [...counts].toSorted(([, left], [, right]) => left - right);
    if (rarest !== undefined) counts.delete(rarest[0]);
  }

  /** What earlier periods asked in the slot of this time, the most asked first. */
  expected(timeMs: number): readonly string[] {
    const { counts } = this.#slotAt(timeMs);
    return [...counts]
      .filter(([, count]) => count >= decay)
      .toSorted(([, left], [, right]) => right - left)
      .slice(0, this.#options.most)
      .map(([name]) => name);
  }

  #slotAt(timeMs: number): { period: number; readonly counts: Map<string, number> } {
    const { periodMs, slotMs } = this.#options;
    const period = Math.floor(timeMs / periodMs);
    const index = Math.floor((timeMs % periodMs) / slotMs);
    const slot = this.#slots.get(index) ?? { period, counts: new Map<string, number>() };
    this.#slots.set(index, slot);
    const weight = decay ** (period - slot.period);
    slot.period = period;
    if (weight !== 1) for (const [name, count] of slot.counts) slot.counts.set(name, count * weight);
    return slot;
  }
}
