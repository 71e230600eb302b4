import type { MillwrightEvent } from "@millwright/contracts";

/** Events of progress that are kept for whoever asks late. */
export const keptProgress = 1_000;

/** An event and its place among all that there were. */
interface PlacedEvent {
  readonly place: number;
  readonly event: MillwrightEvent;
}

/** What a run told so far: all of it but old progress. */
export class EventHistory {
  #events: PlacedEvent[] = [];
  #progress = 0;
  #places = 0;

  add(event: MillwrightEvent): void {
    this.#events.push({ place: this.#places++, event });
    if (event.type !== "run.progress") return;
    this.#progress += 1;
    // Half of what is kept goes at once, so that adding stays cheap.
    if (this.#progress < 2 * keptProgress) return;
    let surplus = this.#progress - keptProgress;
    this.#events = this.#events.filter(({ event: { type } }) => type !== "run.progress" || surplus-- <= 0);
    this.#progress = keptProgress;
  }

  /** The first event from a place on. */
  from(place: number): PlacedEvent | undefined {
    let low = 0;
    for (let high = this.#events.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle] as PlacedEvent).place < place) low = middle + 1;
      else high = middle;
    }
    return this.#events[low];
  }
}
