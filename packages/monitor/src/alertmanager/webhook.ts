import { webhookInvalid } from "../errors.ts";
import type { AlertLabels } from "../alerts/alert-labels.ts";

/** One alert of a notification. */
export interface WebhookAlert {
  readonly status: "firing" | "resolved";
  readonly labels: AlertLabels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsMs: number;
  /** Undefined while it fires. */
  readonly endsMs: number | undefined;
  readonly generatorUrl: string | undefined;
  /** The same for each delivery of the same firing or end: deliveries repeat, and may come twice. */
  readonly deliveryKey: string;
}

/** What Alertmanager or Grafana posts to a webhook. */
export interface WebhookNotification {
  readonly receiver: string;
  /** `firing` where any of its alerts fires. */
  readonly status: "firing" | "resolved";
  readonly groupKey: string;
  readonly groupLabels: AlertLabels;
  readonly commonLabels: AlertLabels;
  readonly externalUrl: string | undefined;
  /** Alerts that the sender left out. */
  readonly truncatedAlerts: number;
  readonly alerts: readonly WebhookAlert[];
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads the body of a webhook, parsed from JSON; fields that are not known are left out. Throws `MONITOR_WEBHOOK_INVALID`. */
export function parseAlertmanagerWebhook(body: unknown): WebhookNotification {
  if (!isFields(body)) throw webhookInvalid("it is no JSON object");
  const { receiver, status, groupKey, groupLabels, commonLabels, externalURL, truncatedAlerts, alerts } = body;
  if (!Array.isArray(alerts)) throw webhookInvalid("it has no list of alerts");
  const key = typeof groupKey === "string" ? groupKey : "";
  return {
    receiver: typeof receiver === "string" ? receiver : "",
    status: statusOf(status),
    groupKey: key,
    groupLabels: textsOf(groupLabels),
    commonLabels: textsOf(commonLabels),
    externalUrl: typeof externalURL === "string" && externalURL !== "" ? externalURL : undefined,
    truncatedAlerts: typeof truncatedAlerts === "number" ? truncatedAlerts : 0,
    alerts: alerts.map((alert, at) => alertOf(alert, at, key)),
  };
}

function alertOf(value: unknown, at: number, groupKey: string): WebhookAlert {
  if (!isFields(value)) throw webhookInvalid(`alert ${at} is no object`);
  const { labels, annotations, startsAt, endsAt, generatorURL, fingerprint } = value;
  const status = statusOf(value["status"]);
  const startsMs = Date.parse(String(startsAt));
  if (Number.isNaN(startsMs)) throw webhookInvalid(`alert ${at} does not say when it began`);
  const known = textsOf(labels);
  const identity =
    typeof fingerprint === "string"
      ? fingerprint
      : JSON.stringify(Object.entries(known).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const endsMs = Date.parse(String(endsAt));
  return {
    status,
    labels: known,
    annotations: textsOf(annotations),
    startsMs,
    // The year 1 stands for "not yet".
    endsMs: status === "resolved" && endsMs > 0 ? endsMs : undefined,
    generatorUrl: typeof generatorURL === "string" && generatorURL !== "" ? generatorURL : undefined,
    deliveryKey: [groupKey, identity, String(startsAt), status].join(" "),
  };
}

function statusOf(status: unknown): "firing" | "resolved" {
  if (status === "firing" || status === "resolved") return status;
  throw webhookInvalid(`its status is ${JSON.stringify(status)}, neither "firing" nor "resolved"`);
}

const textsOf = (value: unknown): Readonly<Record<string, string>> =>
  isFields(value)
    ? Object.fromEntries(Object.entries(value).filter((each): each is [string, string] => typeof each[1] === "string"))
    : {};
