export type { AttemptOutcome } from "./delivery/event-sender.ts";
export {
  type LineageEmitter,
  type LineageEmitterOptions,
  type LineageTarget,
  openLineageEmitter,
} from "./openlineage/emitter.ts";
export type {
  OpenLineageDataset,
  OpenLineageDatasetEvent,
  OpenLineageEvent,
  OpenLineageEventType,
  OpenLineageFacet,
  OpenLineageFacets,
  OpenLineageJob,
  OpenLineageJobEvent,
  OpenLineageName,
  OpenLineageRun,
  OpenLineageRunEvent,
} from "./openlineage/event-types.ts";
export type {
  MlflowFaceApp as LineageFaceApp,
  MlflowFacePlugin as LineageFacePlugin,
  MlflowFaceReply as LineageFaceReply,
  MlflowFaceRequest as LineageFaceRequest,
} from "./mlflow/fastify-face.ts";
export { importLineageFile } from "./openlineage/import-file.ts";
export { datasetNameOf, openLineageColumnId, openLineageId, openLineageRunId } from "./openlineage/names.ts";
export { createLineageServer, type LineageServer, type LineageServerOptions } from "./openlineage/server.ts";
export { type EventFacts } from "./openlineage/told-datasets.ts";
export { tellEvent, type TellOptions } from "./openlineage/tell-event.ts";
export {
  consoleTransport,
  type ConsoleTransportOptions,
  fileTransport,
  type FileTransportOptions,
  httpTransport,
  type HttpTransportOptions,
  type OpenLineageFetch,
  type OpenLineageTransport,
} from "./openlineage/transports.ts";
