export { type RemoteModelFiles, type RemoteTarget, writeRemoteModel } from "./remote/remote-package.ts";
export { type RemoteRuntimeOptions, type RemoteServer, remoteRuntime } from "./remote/remote-runtime.ts";
