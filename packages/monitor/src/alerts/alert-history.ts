import type { Alert, AlertEvidence, EventId, EventLog, MillwrightEvent } from "@millwright/contracts";
import type { EndedAlert } from "./alert-machine.ts";
import type { Silence } from "./silence.ts";

/** What earlier processes told of alerts. */
export interface AlertHistory {
  /** Alerts that fired and did not resolve, with the drift that each told of. */
  readonly open: readonly { readonly alert: Alert; readonly driftId: EventId | undefined }[];
  readonly ended: readonly EndedAlert[];
  readonly silences: readonly Silence[];
  /** Who has acknowledged an alert, by the id of the event that told of it. */
  readonly acknowledged: ReadonlyMap<EventId, Acknowledgement>;
}

/** Somebody has seen an alert, and looks after it. */
export interface Acknowledgement {
  readonly by: string;
  readonly comment: string;
  readonly timeMs: number;
}

/** The events of alerts and silences come from here. */
export const alertEventSource = "millwright/monitor";

/** Reads what was told of the alerts of these names, by the monitor of the same instance. Throws what the log throws. */
export async function readAlertHistory(
  log: Pick<EventLog, "read">,
  { names, instance }: { readonly names: ReadonlySet<string>; readonly instance: string | undefined },
): Promise<AlertHistory> {
  const open = new Map<EventId, AlertHistory["open"][number]>();
  const drifts = new Set<EventId>();
  const ended = new Map<string, EndedAlert>();
  const silences = new Map<string, Silence>();
  const acknowledged = new Map<EventId, Acknowledgement>();
  const isOurs = ({ source, data }: MillwrightEvent): boolean =>
    source === alertEventSource && (data["instance"] ?? undefined) === instance;
  for await (const { event } of log.read({ types: ["alert.*", "drift.detected"] })) {
    if (event.type === "drift.detected") drifts.add(event.id);
    if (!isOurs(event)) continue;
    const cause = event.causationid;
    if (event.type === "alert.firing") {
      const alert = readAlert(event);
      const driftId = cause !== undefined && drifts.has(cause) ? cause : undefined;
      if (alert !== undefined && names.has(alert.name)) open.set(event.id, { alert, driftId });
    }
    if (event.type === "alert.resolved" && cause !== undefined) {
      const page = open.get(cause);
      open.delete(cause);
      acknowledged.delete(cause);
      if (page !== undefined)
        ended.set(page.alert.name + page.alert.subject, { alert: page.alert, timeMs: timeOf(event) });
    }
    if (event.type === "alert.acknowledged" && cause !== undefined) {
      const { by, comment } = event.data;
      acknowledged.set(cause, { by: textOf(by), comment: textOf(comment), timeMs: timeOf(event) });
    }
    if (event.type === "alert.silenced") {
      const silence = readSilence(event);
      if (silence !== undefined) silences.set(silence.id, silence);
    }
  }
  return { open: [...open.values()], ended: [...ended.values()], silences: [...silences.values()], acknowledged };
}

const timeOf = ({ time }: MillwrightEvent): number => Date.parse(time);

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const numberOr = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

function readAlert({ id, subject, data }: MillwrightEvent): Alert | undefined {
  const { name, severity, summary, sinceMs } = data;
  if (typeof name !== "string" || typeof sinceMs !== "number" || subject === undefined) return undefined;
  if (severity !== "page" && severity !== "ticket" && severity !== "info") return undefined;
  const [value, threshold] = [numberOr(data["value"]), numberOr(data["threshold"])];
  return {
    name,
    subject,
    severity,
    state: "firing",
    sinceMs,
    summary: textOf(summary),
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
    evidence: readEvidence(data["evidence"]),
    eventId: id,
  };
}

/** As `alertEvent` wrote it: what is not known is null there. */
function readEvidence(written: unknown): AlertEvidence {
  const { model, ...rest } = withoutNulls(written);
  return { ...rest, ...(model === undefined ? {} : { model: withoutNulls(model) }) } as AlertEvidence;
}

const withoutNulls = (value: unknown): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(value ?? {}).filter(([, part]) => part !== null));

function readSilence({ data }: MillwrightEvent): Silence | undefined {
  const { id, match, owner, comment, fromMs, untilMs } = data;
  if (typeof id !== "string" || typeof fromMs !== "number" || typeof untilMs !== "number") return undefined;
  return { id, match: match as Silence["match"], owner: textOf(owner), comment: textOf(comment), fromMs, untilMs };
}
