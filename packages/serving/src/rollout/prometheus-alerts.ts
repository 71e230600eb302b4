import type { Alert, AlertSource } from "@millwright/contracts";
import { alertsUnreadable } from "../errors.ts";
import { type HttpAlertOptions, alertOf, checkHttp, polledAlertSource, readJson } from "./polled-alerts.ts";

interface AlertmanagerAlert {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly startsAt?: string;
  readonly status?: { readonly state?: string };
}

interface PrometheusAlerts {
  readonly status?: string;
  readonly data?: {
    readonly alerts?: readonly {
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly state?: string;
      readonly activeAt?: string;
      readonly value?: string;
    }[];
  };
}

const present = (alert: Alert | undefined): alert is Alert => alert !== undefined;

/**
 * The alerts of an Alertmanager (its API v2) that are active and neither silenced nor inhibited.
 * Reading throws `SERVING_ALERTS_UNREADABLE`.
 */
export function createAlertmanagerSource(options: HttpAlertOptions): AlertSource {
  checkHttp(options);
  const path = "/api/v2/alerts?active=true&silenced=false&inhibited=false";
  return polledAlertSource(async ({ signal }) => {
    const told = await readJson(path, options, { signal });
    if (!Array.isArray(told)) throw alertsUnreadable(options.url, "it does not speak Alertmanager's API v2");
    return (told as readonly AlertmanagerAlert[])
      .map(({ labels = {}, annotations, startsAt = "" }) => alertOf({ labels, annotations, since: startsAt }, options))
      .filter(present);
  }, options);
}

/**
 * The alerts that a Prometheus server's rules fire, without an Alertmanager (its API v1); pending ones do not count.
 * Reading throws `SERVING_ALERTS_UNREADABLE`.
 */
export function createPrometheusSource(options: HttpAlertOptions): AlertSource {
  checkHttp(options);
  return polledAlertSource(async ({ signal }) => {
    const told = (await readJson("/api/v1/alerts", options, { signal })) as PrometheusAlerts;
    const alerts = told?.data?.alerts;
    if (told?.status !== "success" || !Array.isArray(alerts))
      throw alertsUnreadable(options.url, "it does not speak Prometheus' API v1");
    return (alerts as NonNullable<NonNullable<PrometheusAlerts["data"]>["alerts"]>)
      .filter(({ state }) => state === "firing")
      .map(({ labels = {}, annotations, activeAt = "", value }) =>
        alertOf({ labels, annotations, since: activeAt, value: Number(value) }, options),
      )
      .filter(present);
  }, options);
}
