import type { Clock, MetricDefinition } from "@millwright/contracts";
import type { EventJournal } from "./event-journal.ts";
import { createMetricReader } from "./metric-reader.ts";

/** Where the lines of a process go: into the journal, and through the metric definitions. */
export interface LineSink {
  take(stream: "stdout" | "stderr", line: string): void;
  /** Reads the metrics off the lines since the last time. */
  flush(): void;
}

export function createLineSink({
  journal,
  clock,
  mask,
  metrics,
}: {
  readonly journal: Pick<EventJournal, "push">;
  readonly clock: Clock;
  readonly mask: (text: string) => string;
  readonly metrics: readonly MetricDefinition[];
}): LineSink {
  const show = (stream: "stdout" | "stderr", line: string): void =>
    journal.push({ kind: "log", stream, line, timeMs: clock.nowMs() });
  if (metrics.length === 0) return { take: (stream, line) => show(stream, mask(line)), flush: () => {} };
  let waiting: string[] = [];
  const reader = createMetricReader(metrics, (name) =>
    show("stderr", `[millwright: the regular expression of the metric "${name}" took too long, and is used no more]`),
  );
  return {
    take(stream, line) {
      const masked = mask(line);
      show(stream, masked);
      waiting.push(masked);
    },
    flush() {
      const lines = waiting;
      waiting = [];
      if (lines.length === 0) return;
      for (const metric of reader.read(lines)) journal.push({ kind: "metric", ...metric, timeMs: clock.nowMs() });
    },
  };
}
