import { MillwrightError } from "@millwright/contracts";

export type MonitorErrorCode =
  | "MONITOR_ACTION_INVALID"
  | "MONITOR_ACTION_UNHANDLED"
  | "MONITOR_ALERTMANAGER_UNREACHABLE"
  | "MONITOR_BACKTEST_INVALID"
  | "MONITOR_BACKTEST_REFUSED"
  | "MONITOR_BASELINE_INVALID"
  | "MONITOR_CAPTURE_UNREADABLE"
  | "MONITOR_CAUSES_INVALID"
  | "MONITOR_COLUMNS_DIFFER"
  | "MONITOR_COUNTS_INVALID"
  | "MONITOR_DASHBOARD_INVALID"
  | "MONITOR_DETECTOR_INVALID"
  | "MONITOR_EXPORT_INVALID"
  | "MONITOR_GATE_INVALID"
  | "MONITOR_HISTORY_INVALID"
  | "MONITOR_INJECTION_INVALID"
  | "MONITOR_LABELS_INVALID"
  | "MONITOR_LOG_CONFLICT"
  | "MONITOR_OPENSLO_INVALID"
  | "MONITOR_OUTLIER_MODEL_INVALID"
  | "MONITOR_PARAMETER_INVALID"
  | "MONITOR_PERCENTILE_AVERAGED"
  | "MONITOR_PROBES_INVALID"
  | "MONITOR_QUALITY_INVALID"
  | "MONITOR_REPORT_INVALID"
  | "MONITOR_ROWS_INVALID"
  | "MONITOR_RULE_INVALID"
  | "MONITOR_SAMPLE_EMPTY"
  | "MONITOR_SAMPLE_INVALID"
  | "MONITOR_SCHEDULE_INVALID"
  | "MONITOR_SILENCE_INVALID"
  | "MONITOR_SILENCE_UNKNOWN"
  | "MONITOR_SLO_INVALID"
  | "MONITOR_SLO_STATE_INVALID"
  | "MONITOR_SLO_UNKNOWN"
  | "MONITOR_SLO_UNTRANSLATABLE"
  | "MONITOR_STATE_INVALID"
  | "MONITOR_WEBHOOK_INVALID"
  | "MONITOR_WRITE_FAILED";

export class MonitorError extends MillwrightError<MonitorErrorCode> {
  override readonly name = "MonitorError";
}

export const baselineInvalid = (problem: string, cause?: unknown): MonitorError =>
  new MonitorError("MONITOR_BASELINE_INVALID", `The baseline cannot be used: ${problem}.`, {
    category: "data",
    remedy: "Make it with createBaseline from rows that were good, or name the folder that a baseline job wrote.",
    cause,
  });

export const captureUnreadable = (path: string, problem: string, cause: unknown): MonitorError =>
  new MonitorError("MONITOR_CAPTURE_UNREADABLE", `What was captured in "${path}" cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Name the folder that the capture was opened with; put a damaged segment aside.",
    cause,
  });

export const columnsDiffer = (column: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_COLUMNS_DIFFER", `The column "${column}" ${problem}.`, {
    category: "data",
    remedy: "Compare tables with the same columns of the same types.",
  });

export const countsInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_COUNTS_INVALID", `The counts cannot be compared: ${problem}.`, {
    category: "user",
    remedy: "Give both sides one finite count of at least 0 for each category, in the same order.",
  });

export const outlierModelInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_OUTLIER_MODEL_INVALID", `The outlier model cannot be used: ${problem}.`, {
    category: "data",
    remedy:
      "Give what fitIsolationForest, fitMahalanobis or fitReconstructionOutliers answered, or its JSON, whole; or fit it again.",
  });

export const parameterInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_PARAMETER_INVALID", `A statistic cannot be computed: ${problem}.`, {
    category: "user",
    remedy: "Give it a value in the range that its documentation names.",
  });

export const rowsInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_ROWS_INVALID", `The rows cannot be used: ${problem}.`, {
    category: "data",
    remedy: "Give enough rows with the columns that are asked for, of the kinds they had when they were fitted on.",
  });

export const labelsInvalid = (problem: string, cause?: unknown): MonitorError =>
  new MonitorError("MONITOR_LABELS_INVALID", `Labels cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Mend the line, or leave it out.",
    cause,
  });

export const logConflict = (directory: string, cause: unknown): MonitorError =>
  new MonitorError("MONITOR_LOG_CONFLICT", `Another process has changed the log in "${directory}" meanwhile.`, {
    category: "transient",
    remedy: "Do it again: nothing was changed. Let one process alone compact a log.",
    retryable: true,
    cause,
  });

export const qualityInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_QUALITY_INVALID", `Quality cannot be worked out: ${problem}.`, {
    category: "user",
    remedy: "Give every row a truth and an answer, and options within their ranges.",
  });

export const historyInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_HISTORY_INVALID", `The history of windows cannot be used: ${problem}.`, {
    category: "user",
    remedy: "Give the windows in the order of time, the oldest first, each with an end after its start.",
  });

export const detectorInvalid = (kind: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_DETECTOR_INVALID", `The detector "${kind}" cannot work so: ${problem}.`, {
    category: "user",
    remedy: "Mend its options or values; restore only what `state` gave.",
  });
export const openSloInvalid = (place: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_OPENSLO_INVALID", `This is no OpenSLO that can be read, in ${place}: ${problem}.`, {
    category: "data",
    remedy: "Mend the document as the specification of OpenSLO v1 has it.",
  });

export const percentileAveraged = (): MonitorError =>
  new MonitorError(
    "MONITOR_PERCENTILE_AVERAGED",
    "Percentiles cannot be added, averaged or merged: the mean of two P99 is no P99.",
    {
      category: "user",
      remedy: "Merge the histograms with `mergeLatencies`, and take the percentile of the whole.",
    },
  );

export const exportInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_EXPORT_INVALID", `The metrics cannot be written: ${problem}.`, {
    category: "user",
    remedy: "Mend the options of the exporter.",
  });

export const reportInvalid = (path: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_REPORT_INVALID", `The report cannot be read: ${path} ${problem}.`, {
    category: "data",
    remedy: "Give the JSON of what createReport made, written by this release.",
  });

export const injectionInvalid = (drift: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_INJECTION_INVALID", `The drift "${drift}" cannot be injected: ${problem}.`, {
    category: "user",
    remedy: "Mend its parameters, or name another column.",
  });

export const backtestInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_BACKTEST_INVALID", `The monitor cannot be backtested: ${problem}.`, {
    category: "user",
    remedy: "Give more history, in the order of time, or mend the options.",
  });

export const backtestRefused = (problems: readonly string[], remedies: readonly string[]): MonitorError =>
  new MonitorError("MONITOR_BACKTEST_REFUSED", `The monitor is refused: ${problems.join("; ")}.`, {
    category: "user",
    remedy: remedies.join(" "),
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

export const sampleInvalid = (what: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_SAMPLE_INVALID", `The ${what} cannot be compared: ${problem}.`, {
    category: "data",
    remedy: "Leave out NaN and infinities, count them on their own, and compare the rest.",
  });

export const silenceInvalid = (problem: string, cause?: unknown): MonitorError =>
  new MonitorError("MONITOR_SILENCE_INVALID", `The silence is wrong: ${problem}.`, {
    category: "user",
    remedy: "Say by labels which alerts it is about, who answers for it and when it ends.",
    cause,
  });

export const silenceUnknown = (id: string): MonitorError =>
  new MonitorError("MONITOR_SILENCE_UNKNOWN", `No silence with the id "${id}" is in force.`, {
    category: "user",
    remedy: "Name one of those that `silences` lists.",
  });

export const sloInvalid = (slo: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_SLO_INVALID", `The service level objective "${slo}" is wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend its definition.",
  });

export const sloStateInvalid = (problem: string): MonitorError =>
  new MonitorError(
    "MONITOR_SLO_STATE_INVALID",
    `The counts of a service level objective cannot go on from this state: ${problem}.`,
    {
      category: "data",
      remedy: "Give what `state()` told of counts with the same `bucketMs`; without a state they begin anew.",
    },
  );

export const sloUnknown = (slo: string, known: readonly string[]): MonitorError =>
  new MonitorError("MONITOR_SLO_UNKNOWN", `No service level objective is named "${slo}".`, {
    category: "user",
    remedy: known.length === 0 ? "Define one first." : `Known: ${known.join(", ")}.`,
  });

export const sloUntranslatable = (slo: string, format: string, what: string): MonitorError =>
  new MonitorError("MONITOR_SLO_UNTRANSLATABLE", `The objective "${slo}" cannot be said in ${format}: it ${what}.`, {
    category: "user",
    remedy: "Leave it to the monitor, or define one without that for the export.",
  });

export const stateInvalid = (problem: string, cause: unknown): MonitorError =>
  new MonitorError("MONITOR_STATE_INVALID", `The state of a monitor cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Give what `state()` of a monitor of this release or an earlier one returned.",
    cause,
  });

const remedies: Readonly<Record<string, readonly ["capacity" | "user", string]>> = {
  ENOSPC: ["capacity", "Make room on its disk, then do it again."],
  EDQUOT: ["capacity", "Make room within the quota, or raise it, then do it again."],
  EFBIG: ["capacity", "Raise the limit on file sizes, or use a file system that takes larger ones."],
  EROFS: ["user", "Name a folder on a file system that can be written to."],
  EACCES: ["user", "Let this process write there, or name another folder."],
  EPERM: ["user", "Let this process write there, or name another folder."],
  ENAMETOOLONG: ["user", "Name a folder with a shorter path."],
  ENOTDIR: ["user", "Name a folder that is below no file."],
};

/** What the file system's refusal to write `path` means: a full disk or a missing right. Any other error is passed on. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const [category, remedy] = remedies[String(error.code)] ?? [];
  if (category === undefined || remedy === undefined) return error;
  return new MonitorError("MONITOR_WRITE_FAILED", `"${path}" could not be written: ${error.message}.`, {
    category,
    remedy,
    retryable: category === "capacity",
    cause: error,
  });
}

/** @param status What it answered; undefined where it did not. */
export const alertmanagerUnreachable = (
  url: string,
  problem: string,
  status?: number,
  cause?: unknown,
): MonitorError => {
  const isRefusal = status === 400 || status === 413 || status === 422;
  return new MonitorError("MONITOR_ALERTMANAGER_UNREACHABLE", `${url} cannot be asked: ${problem}.`, {
    category: isRefusal ? "user" : "transient",
    remedy: isRefusal
      ? "Mend what was sent."
      : "See that it runs, that its address is right and that the headers let this process in.",
    retryable: !isRefusal,
    cause,
  });
};

export const webhookInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_WEBHOOK_INVALID", `The notification cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Answer 400; only Alertmanager's and Grafana's webhooks can be read.",
  });

export const causesInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_CAUSES_INVALID", `The effect cannot be explained: ${problem}.`, {
    category: "user",
    remedy: "Mend the effect or the options.",
  });

export const actionInvalid = (rule: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_ACTION_INVALID", `The action rule "${rule}" is wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend the options of the rule.",
  });

export const actionUnhandled = (rule: string, action: string): MonitorError =>
  new MonitorError("MONITOR_ACTION_UNHANDLED", `Nobody does what the action rule "${rule}" asks for: ${action}.`, {
    category: "user",
    remedy: `Give a handler for "${action}".`,
  });

export const gateInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_GATE_INVALID", `The models cannot be compared: ${problem}.`, {
    category: "user",
    remedy: "Give finite losses of both models on the same rows in the same order, and options in their ranges.",
  });

export const scheduleInvalid = (expression: string, problem: string, cause?: unknown): MonitorError =>
  new MonitorError("MONITOR_SCHEDULE_INVALID", `"${expression}" names no times: ${problem}.`, {
    category: "user",
    remedy:
      'Write minute, hour, day, month and weekday, such as "0 * * * *", or SageMaker\'s cron(0 * ? * * *), and an IANA time zone.',
    cause,
  });

export const scheduleOption = (schedule: string, problem: string): MonitorError =>
  new MonitorError("MONITOR_SCHEDULE_INVALID", `The schedule "${schedule}" is wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend its options.",
  });

export const probesInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_PROBES_INVALID", `The probes are wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend their options.",
  });

export const dashboardInvalid = (problem: string): MonitorError =>
  new MonitorError("MONITOR_DASHBOARD_INVALID", `The dashboard is wrong: ${problem}.`, {
    category: "user",
    remedy: "Mend its definition.",
  });
