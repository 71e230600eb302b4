import type { ArtifactInfo, ArtifactStore, CallOptions, Digest } from "@millwright/contracts";
import type { ArtifactRow } from "./artifact-rows.ts";
import { listIn } from "./client-answers.ts";
import { mlflowAnswerInvalid, mlflowArtifactsElsewhere } from "./client-errors.ts";
import { type MlflowBody, type MlflowHttp, asPassing } from "./client-http.ts";
import { checkArtifactPath } from "./client-values.ts";

/** Where artifacts go through the server itself. */
export interface ArtifactFolder {
  /** Below the server's address, with a slash at its end. */
  readonly route: string;
  /** Below the route, percent-encoded, without slashes around it. */
  readonly path: string;
}

const proxy = "/api/2.0/mlflow-artifacts/artifacts/";
/** Files of this size at most are sent from memory, in one piece. */
const smallBytes = 1_048_576;
const mostFiles = 100_000;

/** The folder that an artifact URI means. Throws `REGISTRY_MLFLOW_ARTIFACTS_ELSEWHERE` where the server does not give it itself. */
export function artifactFolder(uri: string, serverUrl: string): ArtifactFolder {
  const own = /^mlflow-artifacts:\/(?!\/)(.*)$/.exec(uri) ?? /^mlflow-artifacts:\/\/\/(.*)$/.exec(uri);
  if (own !== null) return { route: proxy, path: trimmed(own[1] ?? "") };
  const root = `${serverUrl}${proxy}`;
  if (uri.startsWith(root)) return { route: proxy, path: trimmed(uri.slice(root.length)) };
  const hosted = /^mlflow-artifacts:\/\/([^/]+)\/(.*)$/.exec(uri);
  if (hosted !== null && hosted[1] === new URL(serverUrl).host) return { route: proxy, path: trimmed(hosted[2] ?? "") };
  throw mlflowArtifactsElsewhere(uri);
}

const trimmed = (path: string): string => encodedPath(path.replaceAll(/^\/+|\/+$/g, ""));

const encodedPath = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join("/");

/** Sends stored bytes as a file below the folder; the same again replaces it. Throws `REGISTRY_MLFLOW_VALUE_INVALID` for a path that MLflow cannot keep. */
export async function uploadArtifact(
  http: MlflowHttp,
  folder: ArtifactFolder,
  path: string,
  artifacts: ArtifactStore,
  { digest, sizeBytes }: ArtifactInfo,
  { signal }: CallOptions,
): Promise<void> {
  checkArtifactPath(path);
  const small = sizeBytes <= smallBytes ? await wholeOf(artifacts.open(digest, { signal })) : undefined;
  const body = (): MlflowBody => ({
    bytes: small ?? ReadableStream.from(artifacts.open(digest, { signal })),
    type: "application/octet-stream",
  });
  const what = `the upload of "${path}"`;
  const route = `${folder.route}${joined(folder.path, encodedPath(path))}`;
  await http.attempts(
    what,
    async () => {
      const answer = await http.streamOnce({ what, method: "PUT", path: route, body, signal });
      // Of no use, and read so that the connection can be used again.
      await answer?.text().catch(() => "");
    },
    { signal },
  );
}

async function wholeOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const list: Uint8Array[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return Uint8Array.from(Buffer.concat(list));
}

/** Every file below the folder, its bytes in the store, by path. */
export async function downloadFolder(
  http: MlflowHttp,
  folder: ArtifactFolder,
  artifacts: ArtifactStore,
  { signal }: CallOptions,
): Promise<readonly ArtifactRow[]> {
  const rows: ArtifactRow[] = [];
  for await (const path of filesBelow(http, folder, "", { signal })) {
    if (rows.length >= mostFiles)
      throw mlflowAnswerInvalid("the list of artifacts", `it has more than ${mostFiles} files`);
    const { digest, sizeBytes } = await download(http, folder, path, artifacts, { signal });
    rows.push({ path, digest, size_bytes: sizeBytes });
  }
  return rows.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Most folders within one another: a list that leads into itself has no end. */
const deepest = 64;

async function* filesBelow(
  http: MlflowHttp,
  folder: ArtifactFolder,
  below: string,
  { signal }: CallOptions,
): AsyncGenerator<string, void, undefined> {
  if (below.split("/").length > deepest) throw mlflowAnswerInvalid("the list of artifacts", "its folders have no end");
  const path = joined(decodeURIComponent(folder.path), below);
  const list = folder.route.slice(0, -1);
  const answer = await http.json({
    what: `the list of "${path}"`,
    method: "GET",
    path: `${list}?${new URLSearchParams({ path })}`,
    signal,
  });
  for (const file of listIn(answer ?? {}, "files")) {
    const name = String(file["path"]);
    const at = joined(below, name);
    if (name.includes("/")) throw mlflowAnswerInvalid("the list of artifacts", `the name "${name}" has a slash`);
    checkArtifactPath(at);
    if (file["is_dir"] === true) yield* filesBelow(http, folder, at, { signal });
    else yield at;
  }
}

function download(
  http: MlflowHttp,
  folder: ArtifactFolder,
  path: string,
  artifacts: ArtifactStore,
  { signal }: CallOptions,
): Promise<{ readonly digest: Digest; readonly sizeBytes: number }> {
  const what = `the download of "${path}"`;
  return http.attempts(
    what,
    async () => {
      const route = `${folder.route}${joined(folder.path, encodedPath(path))}`;
      const answer = await http.streamOnce({ what, method: "GET", path: route, signal });
      try {
        return await artifacts.put(answer?.body ?? new Uint8Array(), { signal });
      } catch (error) {
        throw asPassing(error);
      }
    },
    { signal },
  );
}
