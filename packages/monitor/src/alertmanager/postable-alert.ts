import type { Alert } from "@millwright/contracts";
import { type AlertLabels, alertLabels } from "../alerts/alert-labels.ts";

/** An alert as Alertmanager's API v2 takes it. Its labels are its identity. */
export interface PostableAlert {
  readonly labels: AlertLabels;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly startsAt: string;
  /** While it fires: when it counts as over if nothing is heard of it. */
  readonly endsAt: string;
  readonly generatorURL?: string | undefined;
}

export interface PostableOptions {
  /** Added to every alert: `{ environment: "production" }`. Default: none. */
  readonly labels?: AlertLabels | undefined;
  /** Where an alert can be looked at. Default: none. */
  readonly generatorUrlOf?: ((alert: Alert) => string | undefined) | undefined;
}

const isoOf = (timeMs: number): string => {
  const time = new Date(Math.min(8.64e15, Math.max(0, timeMs)));
  return Number.isNaN(time.getTime()) ? "1970-01-01T00:00:00.000Z" : time.toISOString();
};

/** @param endsMs When it ended, or will count as over, UTC milliseconds. */
export function postableAlert(alert: Alert, endsMs: number, options: PostableOptions = {}): PostableAlert {
  const { labels = {}, generatorUrlOf } = options;
  const generatorURL = generatorUrlOf?.(alert);
  const own = Object.entries({ ...labels, ...alertLabels(alert) }).map(([name, value]) => [labelName(name), value]);
  return {
    labels: Object.fromEntries(own.filter(([, value]) => value !== "")) as AlertLabels,
    annotations: annotationsOf(alert),
    startsAt: isoOf(alert.sinceMs),
    endsAt: isoOf(endsMs),
    ...(generatorURL === undefined ? {} : { generatorURL }),
  };
}

/** Alertmanager refuses a whole request for one label that it does not take. */
const labelName = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=\d)/, "_");

function annotationsOf({ summary, value, threshold, evidence, eventId }: Alert): Readonly<Record<string, string>> {
  const { window, samples, model, deployment } = evidence ?? {};
  const told: Readonly<Record<string, string | undefined>> = {
    summary,
    value: value === undefined ? undefined : String(value),
    threshold: threshold === undefined ? undefined : String(threshold),
    window: window === undefined ? undefined : `${isoOf(window.fromMs)}/${isoOf(window.toMs)}`,
    samples: samples === undefined ? undefined : String(samples),
    model_digest: model?.digest,
    deployment: deployment === undefined ? undefined : `${deployment.type} at ${isoOf(deployment.timeMs)}`,
    event_id: eventId,
  };
  return Object.fromEntries(Object.entries(told).filter((each): each is [string, string] => each[1] !== undefined));
}
