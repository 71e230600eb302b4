export type { MlflowAccessOptions, MlflowCredentials } from "./mlflow/access.ts";
export type { MlflowFaceApp, MlflowFacePlugin, MlflowFaceReply, MlflowFaceRequest } from "./mlflow/fastify-face.ts";
export { type MlflowServer, type MlflowServerOptions, createMlflowServer } from "./mlflow/server.ts";
