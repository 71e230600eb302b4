import type { ArtifactStore, Authorizer, Clock, IdSource } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import { type BaselineRecords, createBaselineRecords } from "./baselines.ts";
import { type DeploymentHistory, createDeploymentHistory } from "./deployments.ts";
import type { GateKeeper } from "./gate-keeper.ts";
import type { GateCheck } from "./gates.ts";
import { type LateServices, createLateServices } from "./late-services.ts";
import { type VersionKeeping, createVersionKeeping } from "./keeping.ts";
import { type RegistryLatencies, createRegistryLatencies } from "./registry-latency.ts";
import { type ApprovalRequests, createApprovalRequests } from "./requests.ts";
import { type Rollbacks, createRollbacks } from "./rollback.ts";
import { type StageDefinition, type VersionStages, createVersionStages, sageMakerStages } from "./stages.ts";

/** What is decided about versions, and what becomes of them. */
export interface VersionGovernance
  extends
    ApprovalRequests,
    BaselineRecords,
    DeploymentHistory,
    GateCheck,
    LateServices,
    RegistryLatencies,
    Rollbacks,
    VersionKeeping,
    VersionStages {}

export interface GovernanceOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly gates: GateKeeper;
  readonly stages?: readonly StageDefinition[] | undefined;
  readonly authorizer?: Authorizer | undefined;
  readonly approvalToServiceMs?: number | undefined;
}

/** As the service level indicator M8 has it. */
const halfAnHourMs = 30 * 60 * 1000;

export function createVersionGovernance(options: GovernanceOptions): VersionGovernance {
  const { database, artifacts, clock, gates, stages = sageMakerStages, authorizer } = options;
  const { approvalToServiceMs = halfAnHourMs } = options;
  if (!(approvalToServiceMs >= 0))
    throw new RangeError(`\`approvalToServiceMs\` is ${approvalToServiceMs}; it is 0 or more.`);
  return {
    checkGates: gates.checkGates,
    ...createApprovalRequests(options),
    ...createBaselineRecords(database, artifacts),
    ...createDeploymentHistory(database, clock),
    ...createRegistryLatencies(database, approvalToServiceMs),
    ...createLateServices({ database, clock, approvalToServiceMs }),
    ...createRollbacks(database, clock),
    ...createVersionKeeping(options),
    ...createVersionStages({ database, clock, stages, authorizer, gates }),
  };
}
