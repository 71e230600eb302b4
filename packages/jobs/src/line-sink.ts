import type { Clock, MetricDefinition } from "@millwright/contracts";
import type { Mask } from "./environment.ts";
import type { EventJournal } from "./event-journal.ts";
import { createMetricReader } from "./metric-reader.ts";

/** Where the lines of a process go: into the journal, and through the metric definitions. */
export interface LineSink {
  take(stream: "stdout" | "stderr", line: string, cut: boolean): void;
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
  readonly mask: Mask;
  readonly metrics: readonly MetricDefinition[];
}): LineSink {
  const show = (stream: "stdout" | "stderr", line: string): void =>
    journal.push({ kind: "log", stream, line, timeMs: clock.nowMs() });
  const masked = (line: string, cut: boolean): string => (cut ? `${mask(line, true)}…` : mask(line));
  if (metrics.length === 0) return { take: (stream, line, cut) => show(stream, masked(line, cut)), flush: () => {} };
  let waiting: string[] = [];
  const reader = createMetricReader(metrics, (name) =>
    show("stderr", `[millwright: the regular expression of the metric "${name}" took too long, and is used no more]`),
  );
  return {
    take(stream, line, cut) {
      const text = masked(line, cut);
      show(stream, text);
      waiting.push(text);
    },
    flush() {
      const lines = waiting;
      waiting = [];
      if (lines.length === 0) return;
      for (const metric of reader.read(lines)) journal.push({ kind: "metric", ...metric, timeMs: clock.nowMs() });
    },
  };
}
