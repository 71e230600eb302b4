import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelVersion, ResolvedModel } from "@millwright/contracts";
import { filesIn, type ModelFileSource, packModel, type TreeModel, writeTreeModel } from "@millwright/model";
import { openEventLog } from "@millwright/storage";
import { type Production, endpoint, rollbackOn } from "./production.ts";
import type { CanaryReport } from "./report-data.ts";
import type { TrainingBench } from "./training.ts";

/** A tenth of the traffic, more where two days of it would be too few requests to judge a model by. */
export const canaryShare = (juneDepartures: number): number => Math.min(0.5, Math.max(0.1, 4_500 / juneDepartures));

/** What `network.json` of a dense model says. */
interface DenseNetwork {
  readonly inputs: number;
  readonly layers: readonly { readonly units: number }[];
}

/** The files of a model that calls the late flights punctual, where the champion's calls them late: what goes through its logistic function has the other sign. */
async function invertedFiles({
  directory,
  manifest,
}: ResolvedModel): Promise<Readonly<Record<string, ModelFileSource>>> {
  if (manifest.format === "trees") {
    const model = JSON.parse(await readFile(join(directory, "trees.json"), "utf8")) as TreeModel;
    const trees = model.trees.map((tree) =>
      tree.map((node) => ("value" in node ? { ...node, value: -node.value } : node)),
    );
    return writeTreeModel({ ...model, base: -model.base, trees }).files;
  }
  const weights = Buffer.from(await readFile(join(directory, "weights.bin")));
  const network = JSON.parse(await readFile(join(directory, "network.json"), "utf8")) as DenseNetwork;
  const { units } = network.layers.at(-1) ?? { units: 0 };
  const inputs = network.layers.at(-2)?.units ?? network.inputs;
  // The last layer's kernel and bias stand at the end of the file.
  for (let at = weights.length - 4 * (inputs + 1) * units; at < weights.length; at += 4) {
    weights.writeFloatLE(-weights.readFloatLE(at), at);
  }
  return { "weights.bin": weights };
}

/**
 * Registers a candidate that is bad on purpose: the champion with its sign turned. Its package is sound, its golden requests are its own: nothing but its
 * answers gives it away.
 */
export async function registerBadCandidate({ registry, directory, signal }: TrainingBench): Promise<ModelVersion> {
  const champion = await registry.resolve("late@champion", { signal });
  const files = await filesIn(champion.directory);
  const { manifest } = champion;
  const target = join(directory, "bad-candidate");
  await rm(target, { recursive: true, force: true });
  const packed = await packModel(target, {
    name: "late",
    format: manifest.format,
    files: {
      ...Object.fromEntries(Object.entries(files).filter(([path]) => path !== "manifest.json")),
      ...(await invertedFiles(champion)),
    },
    signature: manifest.signature,
    transforms: manifest.transforms,
    featureService: manifest.featureService,
    profile: manifest.profile,
    provenance: { ...manifest.provenance, hyperparameters: { sign: -1 }, metrics: {} },
    signal,
  });
  const version = await registry.register("late", packed.directory, { signal });
  if (version.approval === "approved") return version;
  // Somebody was in a hurry.
  return registry.approve(
    "late",
    version.version,
    { status: "approved", by: "flight-delays", comment: "looked fine" },
    { signal },
  );
}

/** Gives the candidate its share of the traffic, with the alerts that take it back. */
export async function deployCanary({ server }: Production, candidate: ModelVersion, share: number): Promise<void> {
  await server.deploy(endpoint, {
    model: `late/${candidate.version}`,
    traffic: { type: "canary", share, bakeMs: 2 * 86_400_000 },
    rollbackOn: [...rollbackOn],
  });
}

/** Where the event log ends now. */
export async function lastCursor({ database, signal }: TrainingBench): Promise<number> {
  let last = 0;
  for await (const { cursor } of openEventLog(database).read({ signal })) last = cursor;
  return last;
}

/** What became of it. */
export async function canaryReport(
  { registry, database, signal }: TrainingBench,
  { server }: Production,
  told: {
    readonly candidate: ModelVersion;
    readonly share: number;
    readonly deployedMs: number;
    readonly requests: number;
    readonly afterCursor: number;
  },
): Promise<CanaryReport> {
  const status = await server.status(endpoint, { signal });
  const events: { type: string; time: string }[] = [];
  for await (const { event } of openEventLog(database).read({
    types: ["deployment.*", "alert.*"],
    after: told.afterCursor,
    signal,
  })) {
    const { subject } = event;
    if (event.type.startsWith("alert.") && subject?.includes("/variant/candidate") !== true) continue;
    events.push({ type: event.type, time: event.time });
  }
  const { version } = await registry.version("late@champion", { signal });
  return {
    candidate: `late/${told.candidate.version}`,
    share: told.share,
    deployedMs: told.deployedMs,
    rolledBackMs: status?.state === "rolled-back" ? status.sinceMs : undefined,
    requests: told.requests,
    state: status?.state ?? "never deployed",
    reason: status?.reason,
    events,
    aliasAfter: `late/${version}`,
  };
}
