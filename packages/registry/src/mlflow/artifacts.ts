import type { Digest } from "@millwright/contracts";
import type { Statement } from "@millwright/storage";
import { checkedPath, decodedPath, placeOf } from "./artifact-paths.ts";
import { type ArtifactRow, assertRoom, entriesOf, rowsAt, tableOf } from "./artifact-rows.ts";
import { type Fields, queryFields } from "./fields.ts";
import { attachment, mediaTypeOf } from "./media-types.ts";
import { type MlflowAnswer, json } from "./message.ts";
import { listed } from "./page-token.ts";
import { MlflowRefusal, invalid, missing } from "./refusal.ts";
import type { MlflowBytesRoute, MlflowRoute, MlflowScope } from "./route.ts";
import { activeRun, artifactUri, rootsOf, runOf, writeToActiveRun } from "./run-answers.ts";
import { runId, runResource } from "./run-fields.ts";
import { loggedModelOf } from "./logged-model-answers.ts";

const proxy = "/api/2.0/mlflow-artifacts";

/** Files through the tracking server, as clients reach `mlflow-artifacts:` URIs. Bytes are streamed both ways. */
export function artifactRoutes(scope: MlflowScope, maxBytes: number): readonly MlflowBytesRoute[] {
  const refuseParts = async (): Promise<MlflowAnswer> => {
    throw new MlflowRefusal("NOT_IMPLEMENTED", "Multipart upload is not supported for the current artifact repository");
  };
  return [
    {
      method: "PUT",
      path: `${proxy}/artifacts/:path`,
      summary: "Writes a file.",
      action: "write",
      answer: ({ body, signal }, path) => putFile(scope, path, body, maxBytes, signal),
    },
    {
      method: "GET",
      path: `${proxy}/artifacts/:path`,
      summary: "Reads a file.",
      action: "read",
      answer: ({ signal }, path) => readFile(scope, path, signal),
    },
    {
      method: "GET",
      path: `${proxy}/artifacts`,
      summary: "The files and folders in a folder.",
      action: "read",
      answer: (_request, _path, query) => listFolder(scope, query),
    },
    {
      method: "DELETE",
      path: `${proxy}/artifacts/:path`,
      summary: "Deletes a file, or a folder with all in it.",
      action: "delete",
      answer: ({ signal }, path) => deleteFiles(scope, path, signal),
    },
    ...["create", "complete", "abort"].map((step): MlflowBytesRoute => ({
      method: "POST",
      path: `${proxy}/mpu/${step}/:path`,
      summary: "Declined: a client sends the whole file then.",
      action: "write",
      answer: refuseParts,
    })),
    ...downloadRoutes(scope),
  ];
}

async function readFile(scope: MlflowScope, raw: string, signal: AbortSignal): Promise<MlflowAnswer> {
  const { read } = scope.database;
  const path = decodedPath(raw);
  const place = await placeOf(read, path);
  const rows = place === undefined ? [] : await rowsAt(read, place);
  const row = rows.find((each) => each.path === place?.path);
  return fileAnswer(scope, row, path, signal);
}

/** A folder that is not there is empty: that is how clients tell files from folders. */
async function listFolder({ database: { read } }: MlflowScope, query: string): Promise<MlflowAnswer> {
  const path = checkedPath(queryFields(query).optionalText("path") ?? "");
  const place = await placeOf(read, path);
  if (place === undefined) return json({});
  const entries = entriesOf(await rowsAt(read, place), place.path);
  const start = place.path === "" ? 0 : place.path.length + 1;
  const files = entries.map((entry) => ({ ...entry, path: entry.path.slice(start) }));
  return json(listed("files", files));
}

async function putFile(
  { database, artifacts }: MlflowScope,
  raw: string,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  signal: AbortSignal,
): Promise<MlflowAnswer> {
  const path = decodedPath(raw);
  const place = await placeOf(database.read, path);
  if (place === undefined) throw missing(`No run or logged model has artifacts at '${path}'.`);
  if (place.kind === "version") throw invalid("The files of a registered version never change.");
  if (place.path === "") throw invalid("Invalid path");
  if (place.kind === "run") await activeRun(database.read, place.id);
  else await loggedModelOf(database.read, place.id);
  await assertRoom(database.read, place);
  const { digest, sizeBytes } = await artifacts.put(limited(body, maxBytes), { signal });
  const { table, owner } = tableOf(place.kind);
  const put =
    `insert into ${table} (${owner}, path, digest, size_bytes) values (?, ?, ?, ?) ` +
    `on conflict (${owner}, path) do update set digest = excluded.digest, size_bytes = excluded.size_bytes`;
  await writeTo(database, place, { sql: put, rows: [[place.id, place.path, digest, sizeBytes]] }, signal);
  return json({});
}

async function* limited(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw invalid(`The file has more than ${maxBytes} bytes.`);
    yield chunk;
  }
}

async function deleteFiles({ database }: MlflowScope, raw: string, signal: AbortSignal): Promise<MlflowAnswer> {
  const place = await placeOf(database.read, decodedPath(raw));
  if (place === undefined) return json({});
  if (place.kind === "version") throw invalid("The files of a registered version never change.");
  const { table, owner } = tableOf(place.kind);
  const { path, id } = place;
  const sql =
    path === ""
      ? `delete from ${table} where ${owner} = ?`
      : `delete from ${table} where ${owner} = ? and (path = ? or (path > ? and path < ?))`;
  await writeTo(database, place, { sql, rows: [path === "" ? [id] : [id, path, `${path}/`, `${path}0`]] }, signal);
  return json({});
}

/** Throws a refusal for a run that is deleted: what it had comes back with it. */
async function writeTo(
  database: MlflowScope["database"],
  { kind, id }: { readonly kind: "run" | "model"; readonly id: string },
  statement: Statement,
  signal: AbortSignal,
): Promise<void> {
  if (kind === "run") await writeToActiveRun(database, id, [statement], signal);
  else await database.writeBatch([statement], { signal });
}

/** Throws a refusal where the file is not there. */
async function fileAnswer(
  { artifacts }: MlflowScope,
  row: ArtifactRow | undefined,
  path: string,
  signal: AbortSignal,
): Promise<MlflowAnswer> {
  // Said before the answer begins: later it could only be cut short.
  if (row === undefined || !(await artifacts.has(row.digest as Digest, { signal })))
    throw missing(`No such artifact: '${path}'`);
  return {
    status: 200,
    headers: {
      "content-type": mediaTypeOf(path),
      "content-length": String(row.size_bytes),
      "content-disposition": attachment(path),
      "x-content-type-options": "nosniff",
    },
    body: artifacts.open(row.digest as Digest, { signal }),
  };
}

/** What MLflow's page downloads through. */
function downloadRoutes(scope: MlflowScope): readonly MlflowBytesRoute[] {
  const { read } = scope.database;
  const send = async (
    place:
      | { readonly kind: "run"; readonly id: string }
      | { readonly kind: "version"; readonly name: string; readonly version: number },
    fields: Fields,
    signal: AbortSignal,
  ): Promise<MlflowAnswer> => {
    const path = checkedPath(fields.text("path"));
    const rows = await rowsAt(read, { ...place, path });
    return fileAnswer(
      scope,
      rows.find((row) => row.path === path),
      path,
      signal,
    );
  };
  return [
    {
      method: "GET",
      path: "/get-artifact",
      summary: "A file of a run.",
      action: "read",
      async answer({ signal }, _path, query) {
        const fields = queryFields(query);
        const { id } = await runOf(read, runId(fields));
        return send({ kind: "run", id }, fields, signal);
      },
    },
    {
      method: "GET",
      path: "/model-versions/get-artifact",
      summary: "A file of a version.",
      action: "read",
      answer({ signal }, _path, query) {
        const fields = queryFields(query);
        return send({ kind: "version", name: fields.text("name"), version: fields.integer("version") }, fields, signal);
      },
    },
  ];
}

/** `artifacts/list`, for clients that do not list through the proxy. */
export function artifactListRoutes({ database }: MlflowScope): readonly MlflowRoute[] {
  const { read } = database;
  return [
    {
      method: "GET",
      path: "/artifacts/list",
      summary: "The files and folders in a folder of a run.",
      fields: { "run_id!": "text", run_uuid: "text", path: "text", page_token: "text" },
      action: "read",
      resource: runResource,
      async answer({ fields }) {
        const row = await runOf(read, runId(fields));
        const path = checkedPath(fields.optionalText("path") ?? "");
        const root = (await rootsOf(read, [row.experiment_id])).get(row.experiment_id) ?? "";
        const rows = await rowsAt(read, { kind: "run", id: row.id, path });
        return { root_uri: artifactUri(root, row.id), ...listed("files", entriesOf(rows, path)) };
      },
    },
  ];
}
