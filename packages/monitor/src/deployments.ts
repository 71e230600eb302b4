export {
  compareDeployment,
  type DeploymentComparison,
  type DeploymentComparisonOptions,
  type MeasureComparison,
} from "./deployments/compare-deployment.ts";
export type { ComparedDeployment } from "./deployments/deployment-watch.ts";
