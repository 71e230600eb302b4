import { aliasRoutes } from "./aliases.ts";
import { artifactListRoutes, artifactRoutes } from "./artifacts.ts";
import { experimentRoutes } from "./experiment-routes.ts";
import { loggedModelRoutes } from "./logged-models.ts";
import { metricHistoryRoutes } from "./metric-history.ts";
import { modelVersionRoutes } from "./model-versions.ts";
import { registeredModelRoutes } from "./registered-models.ts";
import type { MlflowBytesRoute, MlflowRoute, MlflowScope } from "./route.ts";
import { runInputRoutes } from "./run-inputs.ts";
import { runLoggingRoutes } from "./run-logging.ts";
import { runTagRoutes } from "./run-tags.ts";
import { runRoutes } from "./runs.ts";
import { searchRoutes } from "./search.ts";
import { stageRoutes } from "./stages.ts";

/** Everything that is answered with JSON. */
export const routesOf = (scope: MlflowScope): readonly MlflowRoute[] => [
  ...searchRoutes(scope),
  ...experimentRoutes(scope),
  ...runRoutes(scope),
  ...runLoggingRoutes(scope),
  ...runTagRoutes(scope),
  ...runInputRoutes(scope),
  ...metricHistoryRoutes(scope),
  ...artifactListRoutes(scope),
  ...loggedModelRoutes(scope),
  ...registeredModelRoutes(scope),
  ...aliasRoutes(scope),
  ...modelVersionRoutes(scope),
  ...stageRoutes(scope),
];

/** Everything whose bodies are bytes. */
export const bytesRoutesOf = (scope: MlflowScope, maxArtifactBytes: number): readonly MlflowBytesRoute[] =>
  artifactRoutes(scope, maxArtifactBytes);
