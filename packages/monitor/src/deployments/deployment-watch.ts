import type { EventDraft, EventId, EventLog, Logger, MillwrightEvent } from "@millwright/contracts";
import { readingOf } from "../alerts/alert-rule.ts";
import type { EventOutbox } from "../alerts/monitor-events.ts";
import { lazyWindow, type WindowSummary } from "../capture/window.ts";
import type { AnsweringModel, WindowBook } from "../capture/window-book.ts";
import {
  compareDeployment,
  type DeploymentComparison,
  type DeploymentComparisonOptions,
} from "./compare-deployment.ts";

/** A deployment, and what it changed. */
export interface ComparedDeployment extends DeploymentComparison {
  readonly eventId: EventId;
  readonly type: string;
  readonly endpoint: string;
  readonly variant: string;
  /** When it was, UTC milliseconds. */
  readonly timeMs: number;
  /** What answered on each side, as far as it is known. */
  readonly models: { readonly before: AnsweringModel | undefined; readonly after: AnsweringModel | undefined };
}

export interface DeploymentWatch {
  /** A book that keeps what is forgotten of a variant for the comparison with what comes after. */
  readonly book: WindowBook;
  /** Reads which deployments there were, and compares those whose time after is over. */
  update(nowMs: number): Promise<void>;
  /** The newest, at most a hundred. */
  compared(): readonly ComparedDeployment[];
}

export interface DeploymentWatchOptions {
  readonly book: WindowBook;
  readonly events: EventLog | undefined;
  readonly outbox: EventOutbox;
  readonly logger: Logger;
  readonly windowMs: number;
  readonly startedMs: number;
  readonly nowMs: () => number;
  readonly options: DeploymentComparisonOptions;
}

interface Pending {
  readonly event: MillwrightEvent;
  readonly timeMs: number;
}

interface Kept {
  readonly summary: WindowSummary;
  readonly model: AnsweringModel | undefined;
  readonly atMs: number;
}

const hourMs = 3_600_000;
const mostKept = 100;
const types = ["deployment.completed", "deployment.rolled-back", "deployment.compared"];

export function createDeploymentWatch(site: DeploymentWatchOptions): DeploymentWatch {
  const { book, events, outbox, logger, startedMs } = site;
  const { spanMs = hourMs } = site.options;
  const kept = new Map<string, Kept>();
  const pending = new Map<EventId, Pending>();
  const compared: ComparedDeployment[] = [];
  let after = 0;
  let reading: Promise<void> | undefined;
  const read = async (log: EventLog): Promise<void> => {
    for await (const { cursor, event } of log.read({ after, types })) {
      const timeMs = Date.parse(event.time);
      if (event.type === "deployment.compared") pending.delete(event.causationid ?? ("" as EventId));
      // Of what was over before this process began, nothing is known.
      else if (timeMs + spanMs >= startedMs) pending.set(event.id, { event, timeMs });
      after = cursor;
    }
  };
  const finish = ({ event, timeMs }: Pending): void => {
    pending.delete(event.id);
    const found = comparisonOf(event, timeMs, { ...site, kept, spanMs });
    if (found === undefined) return;
    compared.push(found);
    if (compared.length > mostKept) compared.shift();
    outbox.add(comparedEvent(found), { id: event.id, deployment: undefined });
  };
  return {
    book: {
      ...book,
      forget(endpoint, variant) {
        const atMs = site.nowMs();
        const summary = lazyWindow([book.read(endpoint, variant, atMs - 2 * spanMs, atMs + spanMs)]);
        kept.set(JSON.stringify([endpoint, variant]), { summary, model: book.model(endpoint, variant), atMs });
        book.forget(endpoint, variant);
      },
    },
    async update(nowMs) {
      if (events === undefined) return;
      // One walk at a time: two would read the same events.
      reading ??= read(events)
        .catch((error: unknown) => {
          logger.warn({ error: String(error) }, "Deployments cannot be read; they are compared later.");
        })
        .finally(() => (reading = undefined));
      await reading;
      for (const each of pending.values()) if (nowMs >= each.timeMs + spanMs) finish(each);
      for (const [key, { atMs }] of kept) if (nowMs - atMs > 3 * spanMs) kept.delete(key);
    },
    compared: () => [...compared],
  };
}

function comparisonOf(
  { id, type, subject: endpoint = "", data }: MillwrightEvent,
  timeMs: number,
  site: DeploymentWatchOptions & { readonly kept: ReadonlyMap<string, Kept>; readonly spanMs: number },
): ComparedDeployment | undefined {
  const { book, kept, spanMs, windowMs, options } = site;
  const variant = typeof data["variant"] === "string" ? data["variant"] : "main";
  // Windows that hold both sides count for neither, unless the variant began anew with its model.
  const old = kept.get(JSON.stringify([endpoint, variant]));
  const isNewModel = old !== undefined && Math.abs(old.atMs - timeMs) < spanMs;
  const first = Math.ceil(timeMs / windowMs) * windowMs;
  const before = isNewModel
    ? old.summary
    : book.read(endpoint, variant, timeMs - spanMs, Math.floor(timeMs / windowMs) * windowMs);
  const later = book.read(endpoint, variant, isNewModel ? timeMs : first, timeMs + spanMs);
  const model = book.model(endpoint, variant);
  return {
    eventId: id,
    type,
    endpoint,
    variant,
    timeMs,
    models: { before: isNewModel ? old.model : model, after: model },
    ...compareDeployment(readingOf(before), readingOf(later), options),
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function comparedEvent({
  endpoint,
  variant,
  timeMs,
  verdict,
  reasons,
  measures,
  outputs,
  samples,
  models,
}: ComparedDeployment): EventDraft {
  const modelOf = (model: AnsweringModel | undefined) => (model === undefined ? null : { ...model });
  return {
    source: "millwright/monitor",
    type: "deployment.compared",
    subject: endpoint,
    data: {
      variant,
      timeMs,
      verdict,
      reasons,
      samples,
      models: { before: modelOf(models.before), after: modelOf(models.after) },
      measures: measures.map(({ measure, before, after, difference, low, high, verdict: own }) => ({
        measure,
        before: finite(before),
        after: finite(after),
        difference: finite(difference),
        low: finite(low),
        high: finite(high),
        verdict: own,
      })),
      outputs: { verdict: outputs.verdict, reasons: outputs.reasons },
    },
  };
}
