import { createManualClock, digestOf, type EventLog, type MillwrightEvent } from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import type { AlertPolicy } from "../src/alerts/alert-policy.ts";
import { type AlertRule, type Finding, openMonitor } from "../src/index.ts";

export const minute = 60_000;
export const startMs = Date.UTC(2026, 0, 1);
export const main = "endpoint/late/variant/main";
export const candidate = "endpoint/late/variant/candidate";

/** A rule that finds what it is told to. */
export function ruleOf(name: string, alerting?: AlertPolicy) {
  const findings = new Map<string, Finding>();
  const rule: AlertRule = { name, alerting, evaluate: () => [...findings.values()] };
  const set = (state: Finding["state"], subject = main, version = 1): void => {
    const evidence = { model: { name: "late", version, digest: digestOf(`v${version}`) } };
    findings.set(subject, { subject, state, severity: "page", summary: `It is ${state}.`, evidence });
  };
  return { rule, set };
}

export async function eventsOf(
  log: EventLog,
  types: readonly string[] = ["alert.*"],
): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types })) events.push(event);
  return events;
}

export function openSetting(
  rules: readonly AlertRule[],
  alerting: NonNullable<Parameters<typeof openMonitor>[0]>["alerting"] = {},
) {
  const clock = createManualClock(startMs);
  const log = openMemoryEventLog({ clock });
  const open = () => openMonitor({ clock, events: log, rules, alerting });
  const told = async () =>
    (await eventsOf(log)).map(
      ({ type, subject, data }) => `${type.replace("alert.", "")} ${String(data["name"])} ${subject}`,
    );
  return { clock, log, open, told };
}
