import type { Migration } from "@millwright/storage";
import { migration001 } from "./migration-001-runs.ts";
import { migration002 } from "./migration-002-models.ts";
import { migration003 } from "./migration-003-events.ts";
import { migration004 } from "./migration-004-tracking.ts";
import { migration005 } from "./migration-005-model-records.ts";
import { migration006 } from "./migration-006-governance.ts";
import { migration007 } from "./migration-007-signatures.ts";
import { migration008 } from "./migration-008-mlflow.ts";
import { migration009 } from "./migration-009-delivery.ts";
import { migration010 } from "./migration-010-records.ts";
import { migration011 } from "./migration-011-entries.ts";
import { migration012 } from "./migration-012-gates.ts";
import { migration013 } from "./migration-013-service.ts";
import { migration014 } from "./migration-014-openlineage.ts";
import { migration015 } from "./migration-015-materials.ts";
import type { DeliveryTables } from "./delivery-tables.ts";
import type { GovernanceTables } from "./governance-tables.ts";
import type { MlflowTables } from "./mlflow-tables.ts";
import type { ModelTables } from "./model-tables.ts";
import type { OpenLineageTables } from "./openlineage-tables.ts";
import type { SignatureTables } from "./signature-tables.ts";
import type { RecordTables } from "./record-tables.ts";
import type { RunTables } from "./run-tables.ts";

/** Who says what the registry's events say. */
export const eventSource = "millwright/registry";

/** The registry's tables. */
export interface RegistryTables
  extends
    RunTables,
    ModelTables,
    GovernanceTables,
    SignatureTables,
    MlflowTables,
    RecordTables,
    DeliveryTables,
    OpenLineageTables {
  /** The newest event about a run, a version (`late/3`) or an alias (`late@champion`): the cause of the next. */
  readonly registry_events: { readonly subject: string; readonly event: string };
}

/** In the order they are applied; a released one is never changed. */
export const migrations: readonly Migration[] = [
  migration001,
  migration002,
  migration003,
  migration004,
  migration005,
  migration006,
  migration007,
  migration008,
  migration009,
  migration010,
  migration011,
  migration012,
  migration013,
  migration014,
  migration015,
];
