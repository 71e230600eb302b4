export {
  type ArtifactCorruptionFixture,
  artifactCorruptionContract,
  artifactStoreContract,
} from "./artifact-store.contract.ts";
export type { ContractCase } from "./contract-case.ts";
export { eventLogContract } from "./event-log.contract.ts";
export { type LeaseStoreFixture, leaseStoreContract } from "./lease-store.contract.ts";
export { recordStoreContract } from "./record-store.contract.ts";
