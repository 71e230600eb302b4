export { type MlflowTracker, type MlflowTrackerOptions, openMlflowTracker } from "./mlflow/client.ts";
export type { MlflowFetch, MlflowFetchAnswer, MlflowFetchOptions } from "./mlflow/client-http.ts";
