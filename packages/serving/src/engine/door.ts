import { type Clock, canonicalJson } from "@millwright/contracts";
import { type Admission, type AdmissionState, createAdmission } from "../admission/admission.ts";
import { withinDeadline } from "./deadline.ts";
import type { EndpointOptions } from "./endpoint-options.ts";
import type { Instruments } from "./instruments.ts";
import { merged } from "./merged.ts";
import type { PredictRequest, Prediction } from "./prediction.ts";
import type { Soon } from "./settle.ts";
import type { RequestCall } from "./stage.ts";

/** What a request passes before an endpoint answers it: its deadline, and whether there is room. */
export interface Door {
  /** Throws `SERVING_OVERLOADED`, `SERVING_REQUEST_SHED`, `SERVING_DEADLINE_EXCEEDED`, and what the answering throws. */
  answer(call: RequestCall): Soon<Prediction>;
  /** `undefined` where everybody is let in. */
  readonly admission: AdmissionState | undefined;
  /** Who waits and what was learnt, for the door of a configuration that admits by the same rules. */
  readonly kept: { readonly rules: string; readonly admission: Admission } | undefined;
  /** Turns away all who wait. */
  close(reason: unknown): void;
}

export interface DoorSetting {
  readonly clock: Clock;
  readonly instruments: Instruments;
  answer(call: RequestCall): Soon<Prediction>;
}

export function createDoor(
  endpoint: string,
  { admission: options, latencyObjectiveMs }: Pick<EndpointOptions, "admission" | "latencyObjectiveMs">,
  { clock, instruments, answer }: DoorSetting,
  before?: Door,
): Door {
  const labels = { endpoint };
  const rules = options === undefined ? "" : canonicalJson([options, latencyObjectiveMs ?? null]);
  const admission =
    options === undefined
      ? undefined
      : before?.kept?.rules === rules
        ? before.kept.admission
        : createAdmission(options, {
            endpoint,
            latencyObjectiveMs,
            clock,
            told: {
              onShed: (reason, priority) => instruments.shed.add(1, { endpoint, priority, reason }),
              onState: (waiting, _inFlight, limit) => {
                instruments.waiting.set(waiting, labels);
                instruments.concurrencyLimit.set(limit, labels);
              },
            },
          });
  const admitted: DoorSetting["answer"] =
    admission === undefined ? answer : (call) => answerAdmitted(call, { admission, clock, answer });
  return {
    answer: (call) => {
      const { deadlineMs, signal } = call.request;
      if (deadlineMs === undefined) return admitted(call);
      return withinDeadline({ endpoint, deadlineMs, clock }, signal, async (either) =>
        admitted(merged(call, { request: merged(call.request, { signal: either }) })),
      );
    },
    get admission() {
      return admission?.state;
    },
    kept: admission === undefined ? undefined : { rules, admission },
    close: (reason) => admission?.close(reason),
  };
}

async function answerAdmitted(
  call: RequestCall,
  { admission, clock, answer }: Omit<DoorSetting, "instruments"> & { readonly admission: Admission },
): Promise<Prediction> {
  const { request, startMs, timings } = call;
  const { signal, deadlineMs, priority } = request;
  const tenant = request.tenant ?? request.principal;
  const pending = admission.enter({ signal, startMs, deadlineMs, priority, tenant, rows: rowsOf(request) });
  if (pending !== undefined) await pending;
  const enteredMs = clock.monotonicMs();
  timings.queueMs += enteredMs - startMs;
  let failure: unknown;
  try {
    return await answer(call);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    admission.leave(enteredMs, failure);
  }
}

/** How many rows are asked, by what can be told before they are checked. */
function rowsOf({ entities, instances, inputs }: PredictRequest): number {
  const list = entities ?? instances;
  if (Array.isArray(list)) return Math.max(1, list.length);
  for (const name in inputs) {
    const rows = inputs[name]?.shape?.[0];
    return rows !== undefined && rows > 1 ? rows : 1;
  }
  return 1;
}
