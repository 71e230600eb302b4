import {
  type ArtifactStore,
  type CallOptions,
  type Digest,
  type ModelManifest,
  canonicalJson,
  parseModelManifest,
} from "@millwright/contracts";
import type { ArtifactRow } from "./artifact-rows.ts";
import { bytesOf } from "./message.ts";
import { readMlmodel } from "./mlmodel.ts";
import { invalid } from "./refusal.ts";

/** Most bytes of an `MLmodel` file or a manifest that are read: with an input example in its signature it is some kilobytes. */
const largestText = 16_777_216;
const manifestName = "manifest.json";

export interface PackagedModel {
  readonly name: string;
  readonly source: string;
  readonly files: readonly ArtifactRow[];
  readonly runId: string | undefined;
  readonly nowMs: number;
}

/**
 * A model of MLflow as a package: its manifest names each file by digest, so that it can be resolved and verified like any other. It is stored with
 * the artifacts. The bytes are not looked into but for `MLmodel`, which says what it takes and gives; nothing is unpickled. A package of Millwright
 * that was logged stays what it is. Throws a refusal for files that no package can have.
 */
export async function packageModel(
  artifacts: ArtifactStore,
  { name, source, files, runId, nowMs }: PackagedModel,
  { signal }: CallOptions = {},
): Promise<{ readonly digest: Digest; readonly manifest: ModelManifest }> {
  for (const { path } of files) assertPortable(path);
  const textOf = async (path: string): Promise<string | undefined> => {
    const file = files.find((each) => each.path === path);
    if (file === undefined || file.size_bytes > largestText) return undefined;
    return new TextDecoder().decode(await bytesOf(artifacts.open(file.digest as Digest, { signal }), largestText));
  };
  let manifest: ModelManifest;
  if (files.some(({ path }) => path.toLowerCase() === manifestName)) {
    manifest = millwrightManifest((await textOf(manifestName)) ?? "", files);
  } else {
    const facts = readMlmodel((await textOf("MLmodel")) ?? "");
    manifest = {
      formatVersion: 1,
      name,
      format: "mlflow",
      files: files
        .map(({ path, digest, size_bytes }) => ({ path, digest: digest as Digest, sizeBytes: size_bytes }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
      signature: facts.signature,
      golden: [],
      provenance: {
        datasets: {},
        environment: { ...facts.environment, "mlflow.source": source },
        hyperparameters: {},
        metrics: {},
        ...(runId === undefined ? {} : { runId }),
        createdTimeMs: facts.createdTimeMs ?? nowMs,
      },
    };
  }
  const { digest } = await artifacts.put(new TextEncoder().encode(canonicalJson(manifest)), { signal });
  return { digest, manifest };
}

function millwrightManifest(text: string, files: readonly ArtifactRow[]): ModelManifest {
  let manifest: ModelManifest;
  try {
    manifest = parseModelManifest(JSON.parse(text));
  } catch {
    throw invalid(
      `A model with a file '${manifestName}' is a package of Millwright; this one cannot be read as one. Rename the file and log the model again.`,
    );
  }
  const known = new Map(files.map(({ path, digest }) => [path, digest]));
  const wrong = manifest.files.find(({ path, digest }) => known.get(path) !== digest);
  if (wrong !== undefined || manifest.files.length !== files.length - 1)
    throw invalid(`The files of the model are not those that its '${manifestName}' names. Log the package again.`);
  return manifest;
}

/** A package can be unpacked on every system. */
function assertPortable(path: string): void {
  if (/[:*?"<>|]/.test(path) || path.split("/").some((segment) => /[. ]$/.test(segment)))
    throw invalid(
      `The file '${path}' of the model has a name that not every system allows. Rename it and log the model again.`,
    );
}
