import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "@millwright/contracts";
import { createSignature } from "@millwright/model";
import { type Gate, openRegistry } from "@millwright/registry";
import { sql as raw } from "@millwright/storage";
import { unzipSync } from "fflate";
import { expect, test } from "vitest";
import { type Workshop, openWorkshop } from "./workshop.ts";

const command = fileURLToPath(new URL("../dist/command/main.js", import.meta.url));
const release = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command on the workshop's files. */
function run({ folder, path }: Workshop, ...args: readonly string[]): Promise<Said> {
  const all = [command, ...args, "--database", path];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, all, { cwd: folder }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

async function two(workshop: Workshop): Promise<void> {
  const { registry, pack } = workshop;
  const metrics = (auc: number) => ({ metrics: { auc }, datasets: { train: digestOf("train") } });
  await registry.register("late", await pack("one", { ...metrics(0.9), hyperparameters: { rate: 0.1 } }), {
    by: "ann",
  });
  await registry.register("late", await pack("two!", { ...metrics(0.8), hyperparameters: { rate: 0.2 } }), {
    by: "ann",
  });
}

test("versions are listed, shown, compared, approved, promoted and rolled back from a command line", async () => {
  await using workshop = await openWorkshop();
  const { registry, folder } = workshop;
  await two(workshop);
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run(workshop, ...args, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout);
  };
  for (const version of ["1", "2"])
    expect(await json("approve", `late/${version}`, "--by", "bob")).toMatchObject({ approval: "approved" });
  expect((await registry.approvals("late", 1)).map(({ by }) => by)).toEqual(["bob"]);
  const promoted = await run(workshop, "promote", "late/1", "champion", "--by", "bob", "--if-version", "0");
  expect(promoted).toEqual({ code: 0, stdout: "late@champion is late/1.\n", stderr: "" });

  expect(await json("list")).toMatchObject([
    { name: "late", version: 1, approval: "approved", aliases: ["champion"] },
    { name: "late", version: 2, approval: "approved", aliases: [] },
  ]);
  const table = (await run(workshop, "list", "late")).stdout.split("\n");
  expect(table[0]).toMatch(/^model  version  approval  aliases   stage  registered/);
  expect(table[2]).toMatch(/^late   1        approved  champion/);
  expect(await json("show", "late@champion")).toMatchObject({
    version: 1,
    aliases: ["champion"],
    card: { revision: 0 },
  });
  expect((await run(workshop, "show", "late/1")).stdout).toMatch(/metric auc +0\.9/);
  expect(await json("diff", "late/1", "late/2")).toMatchObject({
    was: { ref: "late/1" },
    signature: { class: "compatible" },
    params: [{ path: "rate", was: 0.1, is: 0.2 }],
    metrics: [{ path: "auc", was: 0.9, is: 0.8 }],
    files: [{ path: "notes.txt" }, { path: "weights.bin" }],
    provenance: [],
  });

  // Gates in a module of one's own; the refusal is kept.
  const gates = join(folder, "gates.mjs");
  const check = `({ candidate }) => ({ passed: candidate.manifest.provenance.metrics.auc > 0.85, reason: "The AUC is low." })`;
  await writeFile(gates, `export default { alias: { champion: [{ name: "auc", check: ${check} }] } };`);
  const refused = await run(workshop, "promote", "late/2", "champion", "--by", "bob", "--gates", gates);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/REGISTRY_GATE_CLOSED: .*auc: The AUC is low\..* breakGlass/);
  const glass = ["--gates", gates, "--break-glass", "The champion is down"];
  expect((await run(workshop, "promote", "late/2", "champion", "--by", "bob", ...glass)).code).toBe(0);
  expect(await json("rollback", "late", "--by", "cem", "--reason", "errors")).toMatchObject({ from: 2, to: 1 });
  expect(await registry.aliases("late")).toEqual({ champion: 1 });

  // What cannot be, with the mend and an exit code.
  const wrong: readonly (readonly [number, RegExp, ...string[]])[] = [
    [2, /There is no command "lst"/, "lst"],
    [2, /"show" takes 1 words, not 0/, "show"],
    [2, /--by is missing/, "approve", "late/1"],
    [2, /must be the number of a version/, "promote", "late/1", "champion", "--by", "ann", "--if-version", "one"],
    [2, /no store of artifacts/, "list", "--artifacts", "nowhere"],
    [1, /PORT_MODEL_UNKNOWN: .*Known: late\/1, late\/2/, "show", "late/9"],
    [1, /PORT_VERSION_CONFLICT/, "promote", "late/2", "champion", "--by", "ann", "--if-version", "9"],
    [1, /ENOENT/, "export", "late/1", "--out", join("nowhere", "pack.zip")],
  ];
  for (const [code, message, ...args] of wrong) {
    const said = await run(workshop, ...args);
    expect.soft(said, args.join(" ")).toMatchObject({ code, stdout: "" });
    expect.soft(said.stderr).toMatch(message);
  }
  const absent = await run({ ...workshop, path: join(folder, "none.db") }, "list");
  expect(absent).toMatchObject({ code: 2, stderr: expect.stringMatching(/There is no database/) as unknown });
  const help = await run(workshop, "--help");
  expect(help).toMatchObject({ code: 0, stdout: expect.stringMatching(/Exits with 0/) as unknown });
});

test("verify names the first bad record and the package that changed, and export writes the pack", async () => {
  await using workshop = await openWorkshop();
  const { registry, folder } = workshop;
  await two(workshop);
  const [key, otherKey] = [join(folder, "release.pem"), join(folder, "other.pem")];
  await writeFile(key, release.publicKey.export({ type: "spki", format: "pem" }));
  await writeFile(otherKey, other.publicKey.export({ type: "spki", format: "pem" }));
  await registry.addSignature(
    "late",
    1,
    await createSignature(await registry.version("late/1"), { key: release.privateKey }),
  );

  expect(await run(workshop, "verify")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/All is well/) as unknown,
  });
  const signed = await run(workshop, "verify", "late/1", "--key", key);
  expect(signed).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/late\/1: 3 files hold; signed by/) as unknown,
  });
  // The signature was added by nobody.
  expect(signed.stdout).toMatch(/! actors: 1 operation without an actor: model\.signed of late\/1 \(record 3\)/);
  const strict = await run(workshop, "verify", "--require-actor");
  expect(strict).toMatchObject({ code: 1, stdout: expect.stringMatching(/✗ actors: 1 operation/) as unknown });
  expect((await run(workshop, "verify", "late/1", "--key", otherKey)).code).toBe(1);
  expect((await run(workshop, "verify", "--key", key)).stdout).toMatch(/✗ late\/2: .*sign/);

  const records = join(folder, "monitoring.json");
  await writeFile(records, JSON.stringify({ drift: { psi: 0.01 } }));
  const out = join(folder, "pack.zip");
  const exported = await run(workshop, "export", "late/1", "--out", out, "--monitoring", records, "--json");
  const pack = JSON.parse(exported.stdout) as { digest: string; completeness: { gaps: string[] } };
  const bytes = await readFile(out);
  expect(pack.digest).toBe(digestOf(bytes));
  expect(pack.completeness.gaps).toContain("approval");
  expect(Object.keys(unzipSync(bytes))).toContain("monitoring/drift.json");
  expect((await run(workshop, "export", "late/1", "--out", out)).stdout).toMatch(
    /\n {2}approval: Nobody has approved it/,
  );

  // A byte of a file in the store, and a record of the log.
  const { manifest } = await registry.version("late/2");
  const digest = manifest.files.find(({ path }) => path === "weights.bin")?.digest.slice(7) ?? "";
  const artifact = join(folder, "artifacts", "sha256", digest.slice(0, 2), digest.slice(2));
  const weights = await readFile(artifact);
  weights[0] = (weights[0] ?? 0) ^ 1;
  await writeFile(artifact, weights);
  const damaged = await run(workshop, "verify");
  expect(damaged.code).toBe(1);
  expect(damaged.stdout).toMatch(/✓ event chain/);
  expect(damaged.stdout).toMatch(/✓ late\/1: 3 files hold/);
  expect(damaged.stdout).toMatch(/✗ late\/2: /);
  const events = workshop.database.typed<{ millwright_events: { cursor: number; body: string } }>();
  await events.write(({ sql }) =>
    sql
      .updateTable("millwright_events")
      .set({ body: raw<string>`replace(body, '"ann"', '"eve"')` })
      .where("cursor", "=", 2)
      .execute(),
  );
  const broken = await run(workshop, "verify", "--json");
  expect(broken.code).toBe(1);
  expect(JSON.parse(broken.stdout)).toMatchObject({
    ok: false,
    firstBadRecord: 2,
    findings: [{ what: "event chain", ok: false, detail: "record 2 is changed; 1 before it hold" }, {}, {}],
  });
  expect((await registry.exportAuditPack("late/1")).completeness.gaps).toContain("event chain");
});

test("approve and promote do not go past gates that the registry was opened with and that the command has not loaded", async () => {
  await using workshop = await openWorkshop();
  const { registry, folder, database, artifacts } = workshop;
  await two(workshop);
  const open: Gate = { name: "auc", check: () => ({ passed: true, reason: "The AUC is high." }) };
  const gates = { alias: { champion: [open, { ...open, name: "bias" }] }, approval: [{ ...open, name: "two people" }] };
  const directory = join(folder, "service");
  await using service = await openRegistry({ database, artifacts, directory, gates });
  const approve = ["approve", "late/1", "--by", "bob"];
  const promote = ["promote", "late/1", "champion", "--by", "bob"];
  for (const [names, args] of [
    [["two people"], approve],
    [["auc", "bias"], promote],
  ] as const) {
    const refused = await run(workshop, ...args);
    expect(refused, args[0]).toMatchObject({ code: 1, stdout: "" });
    for (const name of names) expect(refused.stderr).toContain(`${name}: It was not loaded: name the module`);
  }
  // A rejection, and an alias without gates, need none.
  expect((await run(workshop, "promote", "late/1", "canary", "--by", "bob")).code).toBe(0);
  expect((await run(workshop, "approve", "late/2", "--reject", "--by", "bob")).code).toBe(0);
  // A module that lacks one of them is not enough; one that has them all is.
  const module = async (text: string): Promise<readonly string[]> => {
    const file = join(folder, `gates-${text.length}.mjs`);
    await writeFile(file, text);
    return ["--gates", file];
  };
  const check = `check: () => ({ passed: true, reason: "Good." })`;
  const some = await module(`export default { alias: { champion: [{ name: "auc", ${check} }] } };`);
  const missing = await run(workshop, ...promote, ...some);
  expect(missing.code).toBe(1);
  expect(missing.stderr).toMatch(/bias: It was not loaded/);
  expect(missing.stderr).not.toMatch(/auc: It was not loaded/);
  const both = `[{ name: "auc", ${check} }, { name: "bias", ${check} }]`;
  const all = await module(
    `export default { alias: { champion: ${both} }, approval: [{ name: "two people", ${check} }] };`,
  );
  expect((await run(workshop, ...promote, ...all)).code).toBe(0);
  // Past them with a reason, which is kept with what was not asked.
  expect((await run(workshop, ...approve, "--break-glass", "The gates are on another machine")).code).toBe(0);
  expect((await workshop.events()).at(-1)?.data).toMatchObject({
    gates: {
      passed: false,
      breakGlass: "The gates are on another machine",
      results: [{ gate: "two people", passed: false }],
    },
  });
  expect(await service.aliases("late")).toEqual({ champion: 1, canary: 1 });
  // The command is a guest: what gates there are is the service's to say, which has none any more.
  await using without = await openRegistry({ database, artifacts, directory, gates: {} });
  expect((await run(workshop, "promote", "late/2", "champion", "--by", "bob")).code).toBe(0);
  expect(await without.aliases("late")).toMatchObject({ champion: 2 });
  expect(await registry.approvals("late", 1)).toHaveLength(1);
});
