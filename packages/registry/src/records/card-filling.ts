import type { JsonValue } from "@millwright/contracts";
import type { TrafficRecord } from "../models/traffic-records.ts";
import type { Approval, DescribedVersion } from "../models/version-records.ts";
import type { Run } from "../tracking/run-records.ts";
import type { CardEvaluation, CardMetric, CardParameter, ModelCardContent } from "./card-content.ts";

/** What the registry knows of a version. */
export interface VersionLedger {
  readonly version: DescribedVersion;
  /** The run that made it, where the registry has it. */
  readonly run: Run | undefined;
  readonly approvals: readonly Approval[];
  /** Where it has a share of the traffic now. */
  readonly traffic: readonly TrafficRecord[];
}

/** The card that writes itself: everything of it is in the ledger, and what is not there is left out. */
export function fillCard(ledger: VersionLedger): ModelCardContent {
  const { version, run } = ledger;
  const { manifest } = version;
  const creator = run?.startedBy ?? version.registeredBy;
  const evaluation = evaluationOf(ledger);
  return {
    model_overview: {
      model_id: version.digest,
      model_name: version.name,
      ...(version.description === undefined || version.description === ""
        ? {}
        : { model_description: cut(version.description, 1024) }),
      model_version: version.version,
      algorithm_type: cut(manifest.format, 1024),
      ...(creator === undefined ? {} : { model_creator: cut(creator, 1024) }),
      model_artifact: [version.digest],
    },
    intended_uses: { risk_rating: "Unknown" },
    training_details: { training_job_details: trainingOf(ledger) },
    ...(evaluation === undefined ? {} : { evaluation_details: [evaluation] }),
    additional_information: { custom_details: detailsOf(ledger) },
  };
}

/** Names of metrics whose last value JSON has no number for. */
export const unspeakableMetrics = (ledger: VersionLedger): readonly string[] =>
  [...metricsOf(ledger)].filter(([, value]) => !Number.isFinite(value)).map(([name]) => name);

/** Those of the run, and over them those of the package. */
const metricsOf = ({ version, run }: VersionLedger): ReadonlyMap<string, number> =>
  new Map(Object.entries({ ...run?.metrics, ...version.manifest.provenance.metrics }));

function trainingOf(ledger: VersionLedger) {
  const { version, run } = ledger;
  const { provenance } = version.manifest;
  const datasets = [
    ...Object.entries(provenance.datasets).map(([role, digest]) => `${role}: ${digest}`),
    ...(run?.datasets ?? []).map(
      ({ name, digest, context }) => `${context === "" ? name : context}: ${name} ${digest}`,
    ),
  ];
  const metrics = [...metricsOf(ledger)]
    .filter(([, value]) => Number.isFinite(value))
    .map(([name, value]): CardMetric => ({ name: cut(name, 255), value }));
  const params = Object.entries({ ...run?.params, ...provenance.hyperparameters }).map(
    ([name, value]): CardParameter => ({ name: cut(name, 255), value: cut(textOf(value), 255) }),
  );
  return {
    ...(version.runId === undefined ? {} : { training_arn: cut(version.runId, 1024) }),
    ...(datasets.length === 0 ? {} : { training_datasets: datasets.slice(0, 15).map((each) => cut(each, 1024)) }),
    ...(metrics.length === 0 ? {} : { training_metrics: metrics.slice(0, 50) }),
    ...(params.length === 0 ? {} : { hyper_parameters: params.slice(0, 100) }),
  };
}

/** The package's metrics, measured on what it was not trained with. */
function evaluationOf({ version }: VersionLedger): CardEvaluation | undefined {
  const { datasets, metrics } = version.manifest.provenance;
  const finite = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  if (finite.length === 0) return undefined;
  const others = Object.entries(datasets).filter(([role]) => !role.startsWith("train"));
  return {
    name: "Package metrics",
    ...(others.length === 0
      ? {}
      : { datasets: others.slice(0, 10).map(([role, digest]) => cut(`${role}: ${digest}`, 1024)) }),
    metric_groups: [
      {
        name: "metrics",
        metric_data: finite.map(([name, value]) => ({ name: cut(name, 255), type: "number", value })),
      },
    ],
  };
}

function detailsOf({ version, approvals, traffic }: VersionLedger): Readonly<Record<string, string>> {
  const { provenance, signature, featureService } = version.manifest;
  const decision = approvals.at(-1);
  const environment = Object.entries(provenance.environment).map(([name, value]) => `${name} ${value}`);
  const inputs = signature.inputs.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join(", ")}]`);
  const outputs = signature.outputs.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join(", ")}]`);
  const serving = traffic.flatMap(({ environment: place, endpoint, shares }) =>
    shares
      .filter((share) => share.name === version.name && share.version === version.version)
      .map(({ variant, share }) => `${place}/${endpoint} ${variant} ${Number((share * 100).toPrecision(4))} %`),
  );
  const details: Readonly<Record<string, string | undefined>> = {
    approval: version.approval,
    approved_by: decision?.status === "approved" ? (decision.approvers ?? [decision.by]).join(", ") : undefined,
    code: provenance.code,
    deployments: serving.length === 0 ? undefined : serving.join("; "),
    environment: environment.length === 0 ? undefined : environment.join("; "),
    feature_service: featureService === undefined ? undefined : `${featureService.name} ${featureService.digest}`,
    inputs: inputs.join("; "),
    outputs: outputs.join("; "),
    seed: provenance.seed === undefined ? undefined : String(provenance.seed),
  };
  const known = Object.entries(details).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(known.map(([name, value]) => [name, cut(value, 1024)]));
}

/** What a card still lacks before somebody can judge the model by it: fields that nobody filled, and evidence that the ledger has not. */
export function missingOf(content: ModelCardContent, ledger: VersionLedger): readonly string[] {
  const { provenance, profile } = ledger.version.manifest;
  const job = content.training_details?.training_job_details;
  const { custom_details: _, ...information } = content.additional_information ?? {};
  const wanted: Readonly<Record<string, unknown>> = {
    "model_overview.model_description": content.model_overview?.model_description,
    "model_overview.model_owner": content.model_overview?.model_owner,
    "intended_uses.purpose_of_model": content.intended_uses?.purpose_of_model,
    "intended_uses.intended_uses": content.intended_uses?.intended_uses,
    "intended_uses.risk_rating":
      content.intended_uses?.risk_rating === "Unknown" ? undefined : content.intended_uses?.risk_rating,
    "business_details.business_problem": content.business_details?.business_problem,
    "training_details.training_job_details.training_datasets": job?.training_datasets,
    "training_details.training_job_details.training_metrics":
      job?.training_metrics ?? job?.user_provided_training_metrics,
    "training_details.training_job_details.hyper_parameters":
      job?.hyper_parameters ?? job?.user_provided_hyper_parameters,
    evaluation_details: content.evaluation_details,
    "additional_information.ethical_considerations": information.ethical_considerations,
    "additional_information.caveats_and_recommendations": information.caveats_and_recommendations,
    "evidence.run": ledger.run,
    "evidence.code": provenance.code,
    "evidence.training_profile": profile,
  };
  const isEmpty = (value: unknown): boolean =>
    value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
  return [
    ...Object.entries(wanted)
      .filter(([, value]) => isEmpty(value))
      .map(([name]) => name),
    ...unspeakableMetrics(ledger).map((name) => `evidence.metric ${name}: it is no finite number`),
  ];
}

const textOf = (value: JsonValue): string => {
  const told = typeof value === "string" ? value : JSON.stringify(value);
  return told === "" ? "(empty)" : told;
};

const cut = (value: string, most: number): string => (value.length <= most ? value : `${value.slice(0, most - 1)}…`);
