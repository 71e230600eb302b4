export { type AlertSourceFixture, alertSourceContract } from "./alert-source.contract.ts";
export {
  type ArtifactCorruptionFixture,
  artifactCorruptionContract,
  artifactStoreContract,
} from "./artifact-store.contract.ts";
export {
  type AuthorizerFixture,
  type RedactorFixture,
  authorizerContract,
  redactorContract,
} from "./authorizer.contract.ts";
export { budgetContract } from "./budget.contract.ts";
export { type ClockFixture, clockContract } from "./clock.contract.ts";
export type { ContractCase } from "./contract-case.ts";
export { type DatasetFixture, datasetContract } from "./dataset.contract.ts";
export { type DeployerFixture, deployerContract } from "./deployer.contract.ts";
export { eventLogContract } from "./event-log.contract.ts";
export { type FeatureSourceFixture, featureSourceContract } from "./feature-source.contract.ts";
export { idSourceContract } from "./id-source.contract.ts";
export { type JobLauncherFixture, jobLauncherContract } from "./job-launcher.contract.ts";
export { type LeaseStoreFixture, leaseStoreContract } from "./lease-store.contract.ts";
export { type MeterFixture, meterContract } from "./meter.contract.ts";
export { type ModelRegistryFixture, modelRegistryContract } from "./model-registry.contract.ts";
export { type ModelRuntimeFixture, modelRuntimeContract } from "./model-runtime.contract.ts";
export { type ModelSourceFixture, modelSourceContract } from "./model-source.contract.ts";
export { labelSinkContract, predictionSinkContract } from "./prediction-sink.contract.ts";
export { randomContract } from "./random.contract.ts";
export { recordStoreContract } from "./record-store.contract.ts";
export { type ConformanceReport, runConformance, type StorageAdapter, type StorageFixture } from "./run-conformance.ts";
export { runTrackerContract } from "./run-tracker.contract.ts";
export { trialHandleContract } from "./trial-handle.contract.ts";
