import type { BaselineReport } from "@millwright/algorithms";
import type { Quality } from "./quality.ts";
import type { StageTiming } from "./stages.ts";
import type { Params } from "@millwright/tuner";

/** What the job found out, as it stands in report.json. Times are UTC milliseconds, durations milliseconds. */
export interface ReportData {
  readonly formatVersion: 1;
  readonly generatedMs: number;
  readonly rows: number;
  readonly data: DataReport;
  readonly leakage: LeakageReport;
  readonly training: TrainingReport;
  readonly registry: RegistryReport;
  readonly replay: ReplayReport;
  readonly canary: CanaryReport;
  readonly watch: WatchReport;
  readonly timings: readonly StageTiming[];
}

export interface DataReport {
  readonly flights: number;
  readonly airports: number;
  readonly routes: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly months: readonly { readonly month: string; readonly flights: number; readonly lateShare: number }[];
}

export interface LeakageReport {
  /** Labels checked, each feature of each against the raw flights. */
  readonly labels: number;
  readonly values: number;
  /** Features that differ from what the flights known before the departure give. */
  readonly different: number;
  /** Shortest time, in minutes, between the newest flight that a feature used and the departure. Above 0: nothing later was used. */
  readonly closestMinutes: number;
}

export interface TrialReport {
  readonly study: string;
  readonly number: number;
  readonly state: string;
  readonly value?: number | undefined;
  readonly params: Params;
  readonly epochs: number;
}

export interface ModelReport {
  readonly name: "network" | "trees";
  readonly quality: Quality;
}

export interface TrainingReport {
  readonly trainRows: number;
  readonly validationRows: number;
  readonly features: number;
  readonly trials: readonly TrialReport[];
  readonly best: Readonly<Record<string, TrialReport["params"]>>;
  readonly epochs: readonly { readonly epoch: number; readonly logLoss: number; readonly auc: number }[];
  /** Of the model that was chosen, on the whole of May. */
  readonly model: Quality;
  /** Each kind of model on the whole of May, the one that was chosen first. */
  readonly models: readonly ModelReport[];
  readonly baselines: readonly { readonly name: string; readonly auc: number; readonly logLoss: number }[];
  /** The chosen model beside cheaper ones on a part of May, with intervals of the difference. */
  readonly worth: BaselineReport;
}

export interface RegistryReport {
  readonly version: string;
  readonly digest: string;
  readonly approvedBy: string;
  /** What the version was made from, nearest first. */
  readonly lineage: readonly {
    readonly kind: string;
    readonly id: string;
    readonly name?: string | undefined;
    readonly distance: number;
  }[];
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface ReplayReport {
  readonly requests: number;
  readonly outcomes: number;
  readonly requestsPerSecond: number;
  /** Milliseconds, by `server.predict` in this process. */
  readonly inProcess: Percentiles;
  /** Milliseconds, over HTTP on loopback, one at a time. */
  readonly http: Percentiles & { readonly requests: number };
  /** Online vectors compared with offline ones, value by value. */
  readonly parity: { readonly vectors: number; readonly values: number; readonly different: number };
  readonly june: Quality;
  readonly days: readonly {
    readonly day: string;
    readonly auc: number;
    readonly logLoss: number;
    readonly lateShare: number;
    readonly meanProbability: number;
  }[];
}

export interface CanaryReport {
  readonly candidate: string;
  readonly share: number;
  readonly deployedMs: number;
  readonly rolledBackMs?: number | undefined;
  readonly requests: number;
  readonly state: string;
  readonly reason?: string | undefined;
  readonly events: readonly { readonly type: string; readonly time: string }[];
  readonly aliasAfter: string;
}

export interface WatchReport {
  readonly drift: readonly {
    readonly column: string;
    readonly psi: number;
    readonly ks: number;
    readonly jensenShannon: number;
    readonly drifted: boolean;
  }[];
  readonly slos: readonly {
    readonly name: string;
    readonly objective: number;
    readonly good: number;
    readonly total: number;
    readonly budgetLeft: number;
    readonly alerts: readonly string[];
  }[];
  readonly advice: readonly string[];
}
