import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { promisify } from "node:util";
import { canonicalJson, createManualClock, digestOf } from "@millwright/contracts";
import { createSignature } from "@millwright/model";
import { boundGate } from "@millwright/registry";
import { unzipSync } from "fflate";
import { expect, test } from "vitest";
import { type Workshop, openWorkshop, startMs } from "./workshop.ts";

const release = generateKeyPairSync("ed25519");

/** A version of which everything is there but its approval and the record of its monitoring. */
async function made(workshop: Workshop): Promise<void> {
  const { registry, pack } = workshop;
  const run = await registry.startRun({ experiment: "late", by: "ann" });
  run.logParams({ rate: 0.1 });
  run.logMetrics([{ name: "loss", value: 0.25, step: 1 }]);
  await run.end("finished");
  const provenance = {
    runId: run.id,
    datasets: { train: digestOf("train") },
    code: digestOf("code"),
    metrics: { auc: 0.9 },
  };
  await registry.register("late", await pack("one", provenance), { by: "ann" });
  const key = { key: release.privateKey, keyId: "release-1", clock: createManualClock(startMs) };
  await registry.addSignature("late", 1, await createSignature(await registry.version("late/1"), key), { by: "ann" });
  await registry.moveStage("late", 1, { stage: "Proposal", status: "InProgress", by: "ann" });
  const shares = [{ variant: "main", name: "late", version: 1, share: 1 }];
  await registry.recordTraffic({ endpoint: "delays", shares, by: "cem" });
  await registry.setAlias("late", "champion", 1, { by: "cem" });
}

const textsOf = (bytes: Uint8Array): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(unzipSync(bytes)).map(([path, text]) => [path, new TextDecoder().decode(text)]));

test("MR-38: the audit pack of a version names the missing approval, is complete once all is there, and its hash is stable", async () => {
  const gates = { alias: { champion: [boundGate({ metric: "auc", atLeast: 0.5 })] } };
  await using workshop = await openWorkshop({ clock: createManualClock(startMs), gates });
  const { registry } = workshop;
  await made(workshop);
  const pack = await registry.exportAuditPack("late@champion");
  expect(pack.name).toBe("audit-late-1.zip");
  expect(pack.digest).toBe(digestOf(pack.bytes));
  expect(pack.completeness.gaps).toEqual([
    "approval",
    "separation of duties",
    "model card",
    "model card approval",
    "monitoring record",
  ]);
  expect(pack.completeness.score).toBeCloseTo(11 / 16, 12);
  expect(pack.completeness.checks[0]).toEqual({
    name: "approval",
    present: false,
    detail: "Nobody has approved it: it is pending.",
  });
  // The same records give the same bytes, whatever happens to other models meanwhile, and in any time zone.
  await registry.register("other", await workshop.pack("other"));
  expect((await registry.exportAuditPack("late/1")).digest).toBe(pack.digest);

  const texts = textsOf(pack.bytes);
  const listed = JSON.parse(texts["pack.json"] ?? "") as {
    readonly files: { readonly path: string; readonly digest: string }[];
  };
  expect(Object.keys(texts).toSorted()).toEqual([...listed.files.map(({ path }) => path), "pack.json"].toSorted());
  for (const { path, digest } of listed.files) expect(digestOf(texts[path] ?? "")).toBe(digest);
  const { digest, manifest } = await registry.version("late/1");
  expect(digestOf(texts["manifest.json"] ?? "")).toBe(digest);
  expect(texts["manifest.json"]).toBe(canonicalJson(manifest));
  expect(texts["summary.md"]).toContain("| approval | **no** | Nobody has approved it: it is pending. |");
  expect(JSON.parse(texts["gates.json"] ?? "")).toMatchObject([{ gates: { passed: true } }]);
  expect(JSON.parse(texts["lineage.json"] ?? "")).toMatchObject({
    ancestors: expect.arrayContaining([
      expect.objectContaining({ entity: { kind: "code", id: digestOf("code") } }),
    ]) as unknown,
  });
  const types = (texts["events.jsonl"] ?? "")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { event: { type: string } }).event.type);
  expect(types).toEqual([
    "run.started",
    "run.finished",
    "model.registered",
    "model.signed",
    "model.stage-moved",
    "deployment.completed",
    "model.alias-set",
  ]);

  // What was missing is brought.
  await registry.approve("late", 1, { status: "approved", by: "bob" });
  const uses = { purpose_of_model: "Plan gates", intended_uses: "Gates", risk_rating: "Low" } as const;
  await registry.editCard(
    "late",
    1,
    {
      model_overview: { model_description: "Delays", model_owner: "delays" },
      intended_uses: uses,
      business_details: { business_problem: "Blocked gates" },
      additional_information: { ethical_considerations: "None", caveats_and_recommendations: "Storms" },
    },
    { by: "ann" },
  );
  await registry.setCardStatus("late", 1, "Approved", { by: "bob" });
  const full = await registry.exportAuditPack("late/1", { monitoring: { "drift/May": { psi: 0.01 } } });
  expect(full.completeness.gaps).toEqual(["model card"]);
  expect(full.completeness.checks.find(({ name }) => name === "model card")?.detail).toBe(
    "It lacks evidence.training_profile.",
  );
  expect(textsOf(full.bytes)["monitoring/drift_May.json"]).toBe('{\n  "psi": 0.01\n}\n');
});

const zones = ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"];
const program = `
import { zipSync } from "fflate";
import { createHash } from "node:crypto";
const bytes = zipSync({ a: new Uint8Array([1]) }, { level: 0, mtime: "1980-01-01T12:00:00", os: 0 });
process.stdout.write(createHash("sha256").update(bytes).digest("hex"));
`;

test("the time in a pack's zip is the same in every time zone", async () => {
  const said = await Promise.all(
    zones.map((zone) =>
      promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
        env: { ...process.env, TZ: zone },
        cwd: new URL("..", import.meta.url),
      }),
    ),
  );
  expect(new Set(said.map(({ stdout }) => stdout)).size).toBe(1);
});
