import * as model from "../../packages/model/dist/index.js";
import * as remote from "../../packages/serving/dist/remote.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signature = {
  inputs: [{ name: "x", dtype: "float32", shape: [-1, 2] }],
  outputs: [{ name: "y", dtype: "float32", shape: [-1] }],
} as const;
const url = "http://models";
const target: remote.RemoteTarget = { protocol: "kserve-v1", url, model: "late" };
const fetch = (): Promise<Response> => Promise.resolve(Response.json({}));

/** What `@millwright/serving/remote` exports. */
export async function remoteSubjects(folder: string): Promise<Subjects> {
  const files = remote.writeRemoteModel(target, signature);
  const packed = await model.packModel(`${folder}/remote`, { name: "late", format: "remote", ...files });
  const runtime = remote.remoteRuntime({ servers: [{ url, fetch }] });
  const { directory, manifest } = packed;
  return {
    writeRemoteModel: well(remote.writeRemoteModel, () => [target, signature], {
      TypeError: () => remote.writeRemoteModel({ ...target, protocol: "telnet" as never }, signature),
    }),
    remoteRuntime: well(
      remote.remoteRuntime,
      () => [{ servers: [{ url, headers: { a: "b" }, fetch }], lanes: 2, client: { deadlineMs: 100 } }],
      { RangeError: () => remote.remoteRuntime({ lanes: 0 }) },
    ),
    ...methods("remoteRuntime()", () => runtime, {
      load: [
        () => [directory, manifest, { signal: new AbortController().signal }],
        {
          SERVING_REMOTE_UNCONFIGURED: () => remote.remoteRuntime().load(directory, manifest),
          PORT_MODEL_CORRUPT: () => runtime.load(folder, manifest),
        },
      ],
    }),
  };
}
