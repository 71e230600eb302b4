import { generateKeyPairSync } from "node:crypto";
import type { Deployer } from "@millwright/contracts";
import { createSignature } from "@millwright/model";
import { expect } from "vitest";
import type { Mutation } from "./audit-runs.ts";

const by = "ann";
const { privateKey } = generateKeyPairSync("ed25519");
const deployer = { rollback: () => Promise.resolve({}) } as unknown as Deployer;
const digest = expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string;

/** As `runMutations`, and after them. */
export const modelMutations: readonly (readonly [method: string, mutation: Mutation])[] = [
  [
    "register",
    {
      call: async (registry, _held, { pack }) => registry.register("late", await pack("one"), { by }),
      type: "model.registered",
      subject: "late/1",
      data: { by, made: [{ kind: "model", id: digest, name: "late/1" }] },
    },
  ],
  [
    "editCard",
    {
      call: (registry) =>
        registry.editCard("late", 1, { intended_uses: { purpose_of_model: "delays" } }, { by, ifRevision: 0 }),
      type: "model.card-changed",
      subject: "late/1",
      data: { by, name: "late", version: 1, revision: 1 },
    },
  ],
  [
    "setCardStatus",
    {
      call: (registry) => registry.setCardStatus("late", 1, "PendingReview", { by }),
      type: "model.card-changed",
      subject: "late/1",
      data: { by, status: "PendingReview", previous: "Draft" },
    },
  ],
  [
    "setMaterials",
    {
      call: (registry) => registry.setMaterials("late", 1, { license: "MIT" }, { by }),
      type: "model.materials-set",
      subject: "late/1",
      data: { by, materials: { from: null, to: { license: "MIT", dependencies: 0 } } },
    },
  ],
  [
    "addSignature",
    {
      call: async (registry) =>
        registry.addSignature(
          "late",
          1,
          await createSignature(await registry.version("late/1"), { key: privateKey, keyId: "k1" }),
          { by },
        ),
      type: "model.signed",
      subject: "late/1",
      data: { by, digest, signature: digest, keyIds: ["k1"] },
    },
  ],
  [
    "approve",
    {
      call: (registry) => registry.approve("late", 1, { status: "approved", by, comment: "good" }),
      type: "model.approved",
      subject: "late/1",
      data: { by, digest, previous: "pending", comment: "good" },
    },
  ],
  [
    "setAlias",
    {
      call: (registry) => registry.setAlias("late", "champion", 1, { by }),
      type: "model.alias-set",
      subject: "late@champion",
      data: { by, version: 1, digest },
    },
  ],
  [
    "moveStage",
    {
      before: (registry) => registry.moveStage("late", 1, { stage: "Proposal", status: "InProgress", by }),
      call: (registry) => registry.moveStage("late", 1, { stage: "Development", status: "InProgress", by }),
      type: "model.stage-moved",
      subject: "late/1",
      data: { by, stage: "Development", status: "InProgress", previous: { stage: "Proposal", status: "InProgress" } },
    },
  ],
  [
    "recordTraffic",
    {
      call: (registry) =>
        registry.recordTraffic({
          endpoint: "late",
          by,
          shares: [{ variant: "main", name: "late", version: 1, share: 1 }],
        }),
      type: "deployment.completed",
      subject: "late",
      data: { by, shares: [{ variant: "main", model: "late/1", share: 1 }], from: [{ kind: "model", id: digest }] },
    },
  ],
  [
    "rollback",
    {
      before: async (registry, _held, { pack }) => {
        await registry.register("late", await pack("two"), { by });
        await registry.approve("late", 2, { status: "approved", by });
        await registry.setAlias("late", "champion", 2, { by });
      },
      call: (registry) => registry.rollback("late", { by, reason: "errors", deployer, endpoints: ["late"] }),
      type: "model.alias-set",
      subject: "late@champion",
      data: { by, version: 1, previous: 2, digest, rollback: { reason: "errors", endpoints: ["late"] } },
    },
  ],
  [
    "requestApproval",
    {
      before: async (registry, _held, { pack }) => registry.register("late", await pack("three"), { by }),
      call: async (registry, held) => {
        held.request = (await registry.requestApproval("late", 3, { by, quorum: 2 })).id;
      },
      type: "model.approval-requested",
      subject: "late/3",
      data: { by, quorum: 2, name: "late", version: 3 },
    },
  ],
  [
    "commentRequest",
    {
      call: (registry, { request }) => registry.commentRequest(request, { by, comment: "please" }),
      type: "model.approval-commented",
      subject: "late/3",
      data: { by, comment: "please" },
    },
  ],
  [
    "delegateRequest",
    {
      call: (registry, { request }) => registry.delegateRequest(request, { by: "cleo", to: "dan" }),
      type: "model.approval-delegated",
      subject: "late/3",
      data: { by: "cleo", person: "dan" },
    },
  ],
  [
    "voteRequest",
    {
      call: (registry, { request }) => registry.voteRequest(request, { by: "ben", decision: "approve" }),
      type: "model.approval-voted",
      subject: "late/3",
      data: { by: "ben", kind: "approve" },
    },
  ],
  // The vote that decides is told by the decision.
  [
    "voteRequest",
    {
      call: (registry, { request }) => registry.voteRequest(request, { by: "dan", decision: "approve" }),
      type: "model.approved",
      subject: "late/3",
      data: { approvers: ["ben", "dan"], previous: "pending", digest },
    },
  ],
  [
    "withdrawRequest",
    {
      before: async (registry, held, { pack }) => {
        await registry.register("late", await pack("fourth"), { by });
        held.request = (await registry.requestApproval("late", 4, { by })).id;
      },
      call: (registry, { request }) => registry.withdrawRequest(request, { by }),
      type: "model.approval-withdrawn",
      subject: "late/4",
      data: { by },
    },
  ],
  [
    "sweepRequests",
    {
      before: async (registry, held) => {
        held.request = (await registry.requestApproval("late", 4, { by, expiresAfterMs: 0 })).id;
      },
      call: (registry) => registry.sweepRequests(),
      type: "model.rejected",
      subject: "late/4",
      data: { by: "expiry", previous: "pending", digest },
    },
  ],
  [
    "sweepLateServices",
    {
      before: async (registry) => {
        await registry.sweepLateServices({ objectiveMs: 0 });
        await registry.approve("late", 4, { status: "approved", by });
      },
      call: (registry) => registry.sweepLateServices({ objectiveMs: 0 }),
      type: "model.approval-to-service-late",
      subject: "late/4",
      data: { by: "sweep", state: "waiting", objectiveMs: 0 },
    },
  ],
  [
    "holdVersion",
    {
      call: async (registry, held) => {
        held.hold = (await registry.holdVersion("late", 4, { by, reason: "audit" })).id;
      },
      type: "model.held",
      subject: "late/4",
      data: { by, reason: "audit" },
    },
  ],
  [
    "releaseHold",
    {
      call: (registry, { hold }) => registry.releaseHold(hold, { by }),
      type: "model.released",
      subject: "late/4",
      data: { by },
    },
  ],
  [
    "deleteVersion",
    {
      call: (registry) => registry.deleteVersion("late", 4, { by }),
      type: "model.deleted",
      subject: "late/4",
      data: { by, name: "late", version: 4 },
    },
  ],
  [
    "restoreVersion",
    {
      call: (registry) => registry.restoreVersion("late", 4, { by }),
      type: "model.restored",
      subject: "late/4",
      data: { by, name: "late", version: 4 },
    },
  ],
];
