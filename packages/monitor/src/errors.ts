import { MillwrightError } from "@millwright/contracts";

export type MonitorErrorCode =
  | "MONITOR_COUNTS_INVALID"
  | "MONITOR_RULE_INVALID"
  | "MONITOR_SAMPLE_EMPTY"
  | "MONITOR_SLO_INVALID"
  | "MONITOR_SLO_UNKNOWN";

export class MonitorError extends MillwrightError<MonitorErrorCode> {
  override readonly name = "MonitorError";
}

export const countsInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_COUNTS_INVALID", `The counts cannot be compared: ${problem}.`, {
    category: "user",
    remedy: "Give both sides one finite count of at least 0 for each category, in the same order.",
  });

export const ruleInvalid = (rule: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_RULE_INVALID", `The alert rule "${rule}" is wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend the options of the rule.",
  });

export const sampleEmpty = (what: string): MonitorError =>
  new MonitorError("MONITOR_SAMPLE_EMPTY", `The ${what} holds no value.`, {
    category: "data",
    remedy: "Compare only where both sides have values.",
  });

export const sloInvalid = (slo: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_SLO_INVALID", `The service level objective "${slo}" is wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend its definition.",
  });

export const sloUnknown = (slo: string, known: readonly string[]): MonitorError =>
  new MonitorError("MONITOR_SLO_UNKNOWN", `No service level objective is named "${slo}".`, {
    category: "user",
    remedy: known.length === 0 ? "Define one first." : `Known: ${known.join(", ")}.`,
  });
