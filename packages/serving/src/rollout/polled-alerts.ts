import { type Alert, type AlertSource, type CallOptions, type Clock, systemClock } from "@millwright/contracts";
import { alertsUnreadable } from "../errors.ts";

export interface PollOptions {
  /** How often changes are looked for, milliseconds. Default: 5000. */
  readonly pollMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** Where alerts are read over HTTP. */
export interface HttpAlertOptions extends PollOptions {
  /** Of the server: `http://alertmanager:9093`. */
  readonly url: string;
  /** Sent along: authorization. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default: the machine's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** How long an answer may take, milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  /** What an alert is about, by its labels. Default: the label `subject`, else `endpoint/<endpoint>/variant/<variant>` of the labels of these names. */
  readonly subjectOf?: ((labels: Readonly<Record<string, string>>) => string | undefined) | undefined;
}

const covers = (subject: string, alert: Alert): boolean =>
  alert.subject === subject || alert.subject.startsWith(`${subject}/`);

const keyOf = ({ name, subject }: Alert): string => `${name} ${subject}`;

/** A function, since what a signal says changes while one waits. */
const isOver = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

/** A source of alerts that can only be asked what fires: changes are the differences between two answers. What begins and ends between two is not seen. */
export function polledAlertSource(
  read: (options: CallOptions) => Promise<readonly Alert[]>,
  { pollMs = 5000, clock = systemClock }: PollOptions,
): AlertSource {
  if (!(pollMs > 0 && pollMs <= 3_600_000)) throw new RangeError(`\`pollMs\` must be in (0, 3600000], not ${pollMs}.`);
  return {
    async alerts(subject, { signal } = {}) {
      signal?.throwIfAborted();
      return (await read({ signal })).filter((alert) => covers(subject, alert));
    },
    async *changes(subject, { signal } = {}) {
      let before: ReadonlyMap<string, Alert> | undefined;
      while (!isOver(signal)) {
        const firing = await read({ signal }).catch((error: unknown) => {
          if (isOver(signal)) return [];
          throw error;
        });
        if (isOver(signal)) return;
        const now = new Map(firing.filter((alert) => covers(subject, alert)).map((alert) => [keyOf(alert), alert]));
        // What fires at the first look is no change: `alerts` tells of it.
        if (before !== undefined) {
          for (const [key, alert] of now) if (before.get(key)?.sinceMs !== alert.sinceMs) yield alert;
          for (const [key, alert] of before) if (!now.has(key)) yield { ...alert, state: "resolved" };
        }
        before = now;
        await clock.sleep(pollMs, { signal }).catch(() => {});
      }
    },
  };
}

/** The JSON at a path of the server. Throws `SERVING_ALERTS_UNREADABLE`. */
export async function readJson(path: string, options: HttpAlertOptions, { signal }: CallOptions): Promise<unknown> {
  const { url, headers, fetch = globalThis.fetch, timeoutMs = 10_000 } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const target = `${url.replace(/\/+$/, "")}${path}`;
  try {
    const reply = await fetch(target, {
      headers: { accept: "application/json", ...headers },
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (!reply.ok) throw new TypeError(`it answers ${reply.status}`);
    return (await reply.json()) as unknown;
  } catch (error) {
    signal?.throwIfAborted();
    throw alertsUnreadable(target, error instanceof Error ? error.message : String(error), error);
  }
}

export function checkHttp({ url, timeoutMs = 10_000 }: HttpAlertOptions): void {
  if (typeof url !== "string" || !/^https?:\/\//.test(url))
    throw new TypeError("`url` is the http or https address of the server.");
  if (!(timeoutMs > 0 && timeoutMs <= 600_000))
    throw new RangeError(`\`timeoutMs\` must be in (0, 600000], not ${timeoutMs}.`);
}

/** What Prometheus and Alertmanager both say of an alert. */
export interface LabelledAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** When it began, RFC 3339. */
  readonly since: string;
  readonly value?: number | undefined;
}

/** @returns `undefined` for an alert that is about nothing known here. */
export function alertOf(
  { labels, annotations = {}, since, value }: LabelledAlert,
  { subjectOf = subjectOfLabels }: HttpAlertOptions,
): Alert | undefined {
  const name = labels["alertname"];
  const subject = subjectOf(labels);
  const sinceMs = Date.parse(since);
  if (name === undefined || subject === undefined || Number.isNaN(sinceMs)) return undefined;
  const severity = labels["severity"];
  return {
    name,
    subject,
    severity: severity === "page" || severity === "critical" ? "page" : severity === "info" ? "info" : "ticket",
    state: "firing",
    sinceMs,
    summary: annotations["summary"] ?? annotations["description"] ?? name,
    ...(value === undefined || Number.isNaN(value) ? {} : { value }),
  };
}

function subjectOfLabels({ subject, endpoint, variant }: Readonly<Record<string, string>>): string | undefined {
  if (subject !== undefined) return subject;
  if (endpoint === undefined) return undefined;
  return variant === undefined ? `endpoint/${endpoint}` : `endpoint/${endpoint}/variant/${variant}`;
}
