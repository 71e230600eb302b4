import type { JobEvent } from "@millwright/contracts";

/** An event with its place among all events of its job, from 0. */
export interface NumberedEvent {
  readonly sequence: number;
  readonly event: JobEvent;
  /** Where in the output of a job that runs elsewhere it was read: after it, reading goes on. */
  readonly at?: string | undefined;
}

const costOf = (event: JobEvent): number => {
  if (event.kind === "log") return 96 + 2 * event.line.length;
  if (event.kind === "metric") return 160 + 2 * event.name.length;
  return event.kind === "message" ? 96 + 2 * JSON.stringify(event.body).length : 128;
};

const mostOldMetrics = 50_000;

/** Newest events within a number of bytes; of older ones only the states and, up to a number, the metrics are kept. */
export class EventWindow {
  readonly #maxBytes: number;
  #oldStates: NumberedEvent[] = [];
  #oldMetrics = 0;
  #items: NumberedEvent[] = [];
  #head = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(item: NumberedEvent): void {
    this.#items.push(item);
    this.#bytes += costOf(item.event);
    while (this.#bytes > this.#maxBytes && this.#head < this.#items.length - 1) {
      const oldest = this.#items[this.#head] as NumberedEvent;
      this.#head += 1;
      this.#bytes -= costOf(oldest.event);
      if (oldest.event.kind === "state" || oldest.event.kind === "telemetry") this.#oldStates.push(oldest);
      else if (oldest.event.kind === "metric") this.#keepMetric(oldest);
      else this.#dropped += 1;
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Metrics outlive the lines around them; when there are too many, every second one goes. */
  #keepMetric(metric: NumberedEvent): void {
    this.#oldStates.push(metric);
    this.#oldMetrics += 1;
    if (this.#oldMetrics <= mostOldMetrics) return;
    let place = 0;
    this.#oldStates = this.#oldStates.filter(({ event }) => event.kind !== "metric" || (place += 1) % 2 === 1);
    this.#oldMetrics = Math.ceil(place / 2);
    this.#dropped += place - this.#oldMetrics;
  }

  /** The events from a sequence on, at most `limit`; with a line in place of those that are gone. */
  from(sequence: number, limit: number): readonly NumberedEvent[] {
    const first = this.#items[this.#head];
    if (first === undefined) return [];
    if (sequence >= first.sequence) {
      const start = Math.min(this.#items.length, this.#head + this.#offsetOf(sequence));
      return this.#items.slice(start, start + limit);
    }
    const states = this.#oldStates.filter((state) => state.sequence >= sequence);
    if (this.#dropped === 0) return [...states, first];
    const line = `[millwright: ${this.#dropped} earlier lines and messages are no longer kept]`;
    const gap: JobEvent = { kind: "log", stream: "stderr", line, timeMs: first.event.timeMs };
    return [...states, { sequence: first.sequence - 1, event: gap }, first];
  }

  #offsetOf(sequence: number): number {
    let low = this.#head;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#items[middle] as NumberedEvent).sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return low - this.#head;
  }
}
