import type { Alert, AlertSource } from "@millwright/contracts";
import { alertsUnreadable } from "../errors.ts";
import { type PollOptions, polledAlertSource } from "./polled-alerts.ts";

/** An alarm as CloudWatch describes it. */
export interface CloudWatchAlarm {
  readonly AlarmName?: string | undefined;
  readonly StateValue?: string | undefined;
  readonly StateReason?: string | undefined;
  readonly StateUpdatedTimestamp?: Date | undefined;
  readonly Threshold?: number | undefined;
  readonly Dimensions?:
    | readonly { readonly Name?: string | undefined; readonly Value?: string | undefined }[]
    | undefined;
}

/** What is called of a CloudWatch client: `new CloudWatch({})` of `@aws-sdk/client-cloudwatch` has it. */
export interface CloudWatchClient {
  describeAlarms(
    input: {
      AlarmNames?: string[];
      AlarmNamePrefix?: string;
      AlarmTypes?: ("MetricAlarm" | "CompositeAlarm")[];
      NextToken?: string;
    },
    options?: { abortSignal?: AbortSignal },
  ): Promise<{
    readonly MetricAlarms?: readonly CloudWatchAlarm[] | undefined;
    readonly CompositeAlarms?: readonly CloudWatchAlarm[] | undefined;
    readonly NextToken?: string | undefined;
  }>;
}

export interface CloudWatchAlertOptions extends PollOptions {
  /** Yours: it is not closed. */
  readonly client: CloudWatchClient;
  /** The alarms that matter, at most 100; or all whose names begin alike. */
  readonly alarms: readonly string[] | { readonly prefix: string };
  /**
   * What `INSUFFICIENT_DATA` means. `"ok"`: that nothing fires, as for SageMaker; `"firing"`: an alert; `"unreadable"`: that the alerts cannot be read, so that
   * `missingAlerts` of the deployment decides.
   */
  readonly insufficientData: "ok" | "firing" | "unreadable";
  /** What an alarm is about. Default: `endpoint/<EndpointName>/variant/<VariantName>` of its dimensions. */
  readonly subjectOf?: ((alarm: CloudWatchAlarm) => string | undefined) | undefined;
}

/** The alarms of CloudWatch as alerts. Reading throws `SERVING_ALERTS_UNREADABLE`. */
export function createCloudWatchSource(options: CloudWatchAlertOptions): AlertSource {
  const { client, alarms, insufficientData, subjectOf = subjectOfDimensions } = options;
  if (typeof client?.describeAlarms !== "function") throw new TypeError("`client` has no describeAlarms.");
  if (!["ok", "firing", "unreadable"].includes(insufficientData))
    throw new RangeError("`insufficientData` says ok, firing or unreadable.");
  const asked = Array.isArray(alarms)
    ? { AlarmNames: [...(alarms as readonly string[])] }
    : { AlarmNamePrefix: (alarms as { readonly prefix: string }).prefix };
  if ((asked.AlarmNames?.length ?? 1) < 1 || (asked.AlarmNames?.length ?? 1) > 100)
    throw new RangeError("Name 1 to 100 alarms, or a prefix.");
  const read = async (signal: AbortSignal | undefined): Promise<readonly CloudWatchAlarm[]> => {
    const found: CloudWatchAlarm[] = [];
    let token: string | undefined;
    do {
      const page = await client.describeAlarms(
        {
          ...asked,
          AlarmTypes: ["MetricAlarm", "CompositeAlarm"],
          ...(token === undefined ? {} : { NextToken: token }),
        },
        signal === undefined ? {} : { abortSignal: signal },
      );
      found.push(...(page.MetricAlarms ?? []), ...(page.CompositeAlarms ?? []));
      token = page.NextToken;
    } while (token !== undefined && token !== "");
    return found;
  };
  return polledAlertSource(async ({ signal }) => {
    let found: readonly CloudWatchAlarm[];
    try {
      found = await read(signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw alertsUnreadable("CloudWatch", error instanceof Error ? error.message : String(error), error);
    }
    const missing = (asked.AlarmNames ?? []).filter((name) => !found.some(({ AlarmName }) => AlarmName === name));
    if (missing.length > 0) throw alertsUnreadable("CloudWatch", `it has no alarm named ${missing.join(", ")}`);
    const silent = found.filter(({ StateValue }) => StateValue === "INSUFFICIENT_DATA");
    if (insufficientData === "unreadable" && silent.length > 0)
      throw alertsUnreadable(
        "CloudWatch",
        `${silent.map(({ AlarmName }) => AlarmName).join(", ")} has insufficient data`,
      );
    return found.flatMap((alarm) => {
      const fires =
        alarm.StateValue === "ALARM" || (alarm.StateValue === "INSUFFICIENT_DATA" && insufficientData === "firing");
      const subject = subjectOf(alarm);
      return fires && subject !== undefined ? [alertOfAlarm(alarm, subject)] : [];
    });
  }, options);
}

function alertOfAlarm(
  { AlarmName: name = "", StateReason: reason, StateUpdatedTimestamp: since, Threshold: threshold }: CloudWatchAlarm,
  subject: string,
): Alert {
  return {
    name,
    subject,
    severity: "page",
    state: "firing",
    sinceMs: since?.getTime() ?? 0,
    summary: reason === undefined || reason === "" ? name : reason,
    ...(threshold === undefined ? {} : { threshold }),
  };
}

function subjectOfDimensions({ Dimensions: dimensions = [] }: CloudWatchAlarm): string | undefined {
  const of = (name: string): string | undefined => dimensions.find(({ Name }) => Name === name)?.Value;
  const endpoint = of("EndpointName");
  const variant = of("VariantName");
  if (endpoint === undefined) return undefined;
  return variant === undefined ? `endpoint/${endpoint}` : `endpoint/${endpoint}/variant/${variant}`;
}
