export {
  type ArtifactCorruptionFixture,
  artifactCorruptionContract,
  artifactStoreContract,
} from "./artifact-store.contract.ts";
export type { ContractCase } from "./contract-case.ts";
export { eventLogContract } from "./event-log.contract.ts";
export { type LeaseStoreFixture, leaseStoreContract } from "./lease-store.contract.ts";
export { recordStoreContract } from "./record-store.contract.ts";
export { budgetContract } from "./budget.contract.ts";
export { type JobLauncherFixture, jobLauncherContract } from "./job-launcher.contract.ts";
export { type ModelRegistryFixture, modelRegistryContract } from "./model-registry.contract.ts";
export { type ModelSourceFixture, modelSourceContract } from "./model-source.contract.ts";
export { runTrackerContract } from "./run-tracker.contract.ts";
