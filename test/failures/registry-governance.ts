import type { Gate, GateContext, Registry } from "../../packages/registry/dist/index.js";
import * as registry from "../../packages/registry/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const by = "ann";
const shares = [{ variant: "main", name: "ruled", version: 1, share: 1 }];
const signature = { inputs: [{ name: "a", dtype: "float32", shape: [-1] }], outputs: [] } as const;

/** What a gate is asked with: nothing of it is touched by the gates that look at the package alone. */
const context = (candidate: object) => ({ candidate, champion: undefined, by }) as unknown as GateContext;

function gates(): Subjects {
  const subjects: Record<string, Subjects[string]> = {};
  const add = (name: string, make: (...args: never[]) => Gate, args: () => readonly unknown[]): void => {
    subjects[name] = well(make as (...all: never[]) => unknown, args as () => unknown[]);
  };
  add("metricGate", registry.metricGate, () => [{ metric: "auc", direction: "maximize" }]);
  add("boundGate", registry.boundGate, () => [{ metric: "dpl", atMost: 0.1 }]);
  add("driftBaselineGate", registry.driftBaselineGate, () => []);
  add("signatureGate", registry.signatureGate, () => [{ allow: "additive" }]);
  add("latencyGate", registry.latencyGate, () => [{ measure: async () => [1], atMostMs: 10 }]);
  add("scanGate", registry.scanGate, () => [{ scan: async () => [] }]);
  add("licenseGate", registry.licenseGate, () => [{ deny: ["GPL-3.0"] }]);
  add("cardGate", registry.cardGate, () => [{ missing: async () => [] }]);
  add("approvalsGate", registry.approvalsGate, () => [{ count: 2 }]);
  add("separationGate", registry.separationGate, () => []);
  const bound = registry.boundGate({ metric: "dpl", atMost: 0.1 });
  const candidate = { manifest: { provenance: { metrics: { dpl: 0.05 } } } };
  return { ...subjects, ...methods("boundGate()", () => bound, { check: [() => [context(candidate)]] }) };
}

function requests(open: Registry): Subjects {
  const refused = (call: () => unknown) => ({ REGISTRY_REQUEST_REFUSED: call });
  const unknown = (call: () => unknown) => ({ REGISTRY_REQUEST_UNKNOWN: call });
  /** An open request; one that is there is withdrawn before. */
  const request = async (): Promise<string> => {
    for (const { id, requestedBy } of await open.approvalRequests({ status: "open" }))
      await open.withdrawRequest(id, { by: requestedBy });
    return (await open.requestApproval("ruled", 1, { by: "bob", quorum: 2 })).id;
  };
  return methods("openRegistry()", () => open, {
    requestApproval: [
      async () => {
        await request().then((id) => open.withdrawRequest(id, { by: "bob" }));
        return ["ruled", 1, { by: "bob", signal }];
      },
      refused(() => open.requestApproval("ruled", 1, { by: "bob", approvers: ["bob"] })),
      12,
    ],
    commentRequest: [async () => [await request(), { by, comment: "fine" }, { signal }], {}, 12],
    delegateRequest: [async () => [await request(), { by, to: "cem" }, { signal }], {}, 12],
    voteRequest: [
      async () => [await request(), { by, decision: "approve" }, { signal }],
      refused(async () => open.voteRequest(await request(), { by: "bob", decision: "approve" })),
      12,
    ],
    withdrawRequest: [async () => [await request(), { by: "bob" }, { signal }], {}, 12],
    approvalRequest: [async () => [await request(), { signal }], unknown(() => open.approvalRequest("nothing")), 12],
    approvalRequests: [() => [{ status: "open", name: "ruled", signal }], {}, 12],
    sweepLateServices: [() => [{ signal }], {}, 12],
    sweepRequests: [() => [{ signal }], {}, 12],
  });
}

/** What is decided about versions, and what becomes of them. @param open Has version 1 of `ruled`. */
export function governance(open: Registry): Subjects {
  const inService = async (): Promise<unknown> => {
    await open.recordTraffic({ endpoint: "in-use", shares, by });
    return open.deleteVersion("ruled", 1, { by });
  };
  return {
    ...gates(),
    ...requests(open),
    compareSignatures: well(registry.compareSignatures, () => [signature, signature, { optional: ["b"] }]),
    ...methods("openRegistry()", () => open, {
      checkGates: [() => ["alias", "champion", "ruled", 1, { by, signal }], {}, 12],
      moveStage: [
        () => ["ruled", 1, { stage: "Development", status: "InProgress", by }, { signal }],
        {
          REGISTRY_STAGE_UNKNOWN: () => open.moveStage("ruled", 1, { stage: "Nowhere", status: "Approved", by }),
          REGISTRY_STAGE_INVALID: () =>
            open.moveStage("ruled", 1, { stage: "QA", status: "Approved", by, description: "x".repeat(2000) }),
        },
        12,
      ],
      stageHistory: [() => ["ruled", 1, { signal }], {}, 12],
      baselines: [() => ["ruled", 1, { signal }], {}, 12],
      recordTraffic: [
        () => [{ endpoint: "late", environment: "test", shares, by, reason: "try", signal }],
        {
          REGISTRY_DEPLOYMENT_INVALID: () =>
            open.recordTraffic({ endpoint: "late", shares: [...shares, ...shares], by }),
        },
        12,
      ],
      trafficHistory: [() => [{ endpoint: "late", signal }], {}, 12],
      trafficAt: [() => [1000, { endpoint: "late", signal }], {}, 12],
      registryLatency: [() => [{ name: "ruled", sinceMs: 0, objectiveMs: 1000, signal }], {}, 12],
      rollback: [
        async () => {
          await open.setAlias("ruled", "champion", 2);
          return ["ruled", { by, reason: "errors", to: 1, signal }];
        },
        {
          REGISTRY_ROLLBACK_IMPOSSIBLE: async () => {
            await open.setAlias("ruled", "champion", 1);
            return open.rollback("ruled", { by, reason: "errors", to: 99 });
          },
        },
        12,
      ],
      deleteVersion: [
        async () => {
          await open.restoreVersion("ruled", 3, { by }).catch(() => undefined);
          return ["ruled", 3, { by, signal }];
        },
        { REGISTRY_VERSION_IN_SERVICE: inService },
        12,
      ],
      restoreVersion: [
        async () => {
          await open.deleteVersion("ruled", 3, { by }).catch(() => undefined);
          return ["ruled", 3, { by, signal }];
        },
        {},
        12,
      ],
      holdVersion: [() => ["ruled", 2, { by, reason: "case 12", signal }], {}, 12],
      releaseHold: [
        async () => [(await open.holdVersion("ruled", 2, { by, reason: "case 12" })).id, { by, signal }],
        { REGISTRY_HOLD_UNKNOWN: () => open.releaseHold("nothing", { by }) },
        12,
      ],
      holds: [() => [{ signal }], {}, 12],
      reachableArtifacts: [() => [{ keepDeletedMs: 1000, signal }], {}, 12],
    }),
  };
}
