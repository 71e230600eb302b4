import type { Clock } from "@millwright/contracts";
import type { Prediction } from "../engine/prediction.ts";
import type { RequestCall, Stage, StageSite } from "../engine/stage.ts";
import { chaosForbidden, faultInjected } from "./chaos-errors.ts";
import { corrupted } from "./corrupt.ts";
import type { DelayFault, Fault, KillWorkerFault, RequestFault } from "./faults.ts";
import type { Injector, Target } from "./injector.ts";

/** Kinds that befall requests. */
const ofRequests = new Set<Fault["kind"]>(["delay", "error", "corrupt", "kill-worker"]);

export function chaosStage(injector: Injector): Stage {
  let site: StageSite | undefined;
  const faults = injector.faults.filter(({ kind }) => ofRequests.has(kind));
  const opened = (): StageSite => {
    if (site === undefined) throw new TypeError("The stage of chaos stands in no open server.");
    return site;
  };
  const layer =
    (at: "model" | "request") =>
    async <Call extends RequestCall>(call: Call, next: (call: Call) => Promise<Prediction>): Promise<Prediction> => {
      const drawn = draw(injector, faults, at, call);
      return drawn.length === 0 ? next(call) : inject(injector, opened(), drawn, call, () => next(call));
    };
  return {
    name: "chaos",
    open(given) {
      if (!injector.allowsEndpoint(given.endpoint))
        throw chaosForbidden(`the flag does not allow the endpoint "${given.endpoint}"`);
      site = given;
    },
    request: layer("request"),
    model: layer("model"),
  };
}

const targetOf = ({ requestId, endpoint, request }: RequestCall): Target => ({
  id: requestId,
  endpoint,
  match: { tenant: request.tenant, principal: request.principal, mark: request.chaos },
});

function draw(injector: Injector, faults: readonly Fault[], at: string, call: RequestCall): readonly Fault[] {
  const target = targetOf(call);
  return faults.filter((fault) => ((fault as RequestFault).at ?? "model") === at && injector.befalls(fault, target));
}

/** In the order of the list: what comes before the model is done first, answers are corrupted last. */
async function inject(
  injector: Injector,
  { clock, logger, meter }: StageSite,
  drawn: readonly Fault[],
  call: RequestCall,
  next: () => Promise<Prediction>,
): Promise<Prediction> {
  const target = targetOf(call);
  const record = (fault: Fault, fields?: object): void => injector.record(fault, target, { logger, meter }, fields);
  for (const fault of drawn) {
    if (fault.kind === "delay") {
      const delayMs = delayOf(injector, fault, target.id);
      record(fault, { delayMs });
      await wait(clock, delayMs, call);
    } else if (fault.kind === "error") {
      record(fault);
      throw fault.error === undefined ? faultInjected(fault.name) : fault.error();
    } else if (fault.kind === "kill-worker") {
      const pid = killOne(injector, fault, target.id);
      if (pid !== undefined) record(fault, { pid });
    }
  }
  let answer = await next();
  for (const fault of drawn) {
    if (fault.kind !== "corrupt") continue;
    record(fault);
    const { how = "nan" } = fault;
    answer = { ...answer, outputs: corrupted(answer.outputs, how, injector.randomOf(fault, target.id)) };
  }
  return answer;
}

const delayOf = (injector: Injector, fault: DelayFault, id: string): number =>
  fault.delayMs + (fault.jitterMs ?? 0) * injector.randomOf(fault, id).next();

/** An abort ends it. */
const wait = (clock: Clock, delayMs: number, { request }: RequestCall): Promise<void> =>
  clock.sleep(delayMs, { signal: request.signal });

/** @returns the process that was killed; `undefined` where none was up: workers that are threads have none of their own. */
function killOne(injector: Injector, fault: KillWorkerFault, id: string): number | undefined {
  const pids = fault.runtime
    .workers()
    .map(({ pid }) => pid)
    .filter((pid): pid is number => Number.isInteger(pid) && (pid as number) > 1 && pid !== process.pid);
  const pid = pids[injector.randomOf(fault, id).integer(Math.max(1, pids.length))];
  if (pid === undefined) return undefined;
  try {
    process.kill(pid, "SIGKILL");
    return pid;
  } catch {
    // It has ended already.
    return undefined;
  }
}
