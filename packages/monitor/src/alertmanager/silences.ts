import type { CallOptions } from "@millwright/contracts";
import type { LabelMatcher } from "../alerts/alert-labels.ts";
import type { Silence, SilenceSource } from "../alerts/silence.ts";
import { alertmanagerUnreachable } from "../errors.ts";
import {
  type AlertmanagerCallOptions,
  type AlertmanagerTarget,
  callAlertmanager,
  checkTarget,
  checkTimes,
} from "./api.ts";

/**
 * The silences of an Alertmanager that are active or to come, for `MonitorOptions.alerting.silenceSources`: what is silenced there is told nobody here either.
 * Reading throws `MONITOR_ALERTMANAGER_UNREACHABLE`.
 */
export function createAlertmanagerSilences(
  options: AlertmanagerTarget & AlertmanagerCallOptions,
): Required<SilenceSource> {
  checkTarget(options);
  checkTimes({ timeoutMs: options.timeoutMs ?? 10_000 });
  return {
    async silences({ signal }: CallOptions = {}) {
      const told = await callAlertmanager("silences", options, { ...options, signal });
      if (!Array.isArray(told)) throw alertmanagerUnreachable(options.url, "it does not speak Alertmanager's API v2");
      return (told as readonly unknown[]).flatMap(silenceOf);
    },
  };
}

function silenceOf(value: unknown): readonly Silence[] {
  const { id, status, matchers, startsAt, endsAt, createdBy, comment } = (value ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const { state } = (status ?? {}) as { readonly state?: unknown };
  const [fromMs, untilMs] = [Date.parse(String(startsAt)), Date.parse(String(endsAt))];
  if (typeof id !== "string" || state === "expired" || !Array.isArray(matchers) || Number.isNaN(fromMs + untilMs))
    return [];
  const owner = typeof createdBy === "string" && createdBy !== "" ? createdBy : "unknown";
  const match = matchers as readonly LabelMatcher[];
  return [{ id, match, owner, comment: typeof comment === "string" ? comment : "", fromMs, untilMs }];
}
