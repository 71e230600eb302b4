/** What a comparison or an order speaks of. `min_metric` and `max_metric` are the least and the greatest point of a metric, `metric` the last. */
export type EntityName = "metric" | "min_metric" | "max_metric" | "param" | "tag" | "attribute" | "dataset";

export type ComparisonOperator = "=" | "!=" | "<" | "<=" | ">" | ">=" | "LIKE" | "ILIKE" | "IN" | "NOT IN";

export interface AttributeRule {
  /** What it is in the records searched; several names may mean one. */
  readonly field: string;
  readonly type: "text" | "number";
  /** It may be compared with a list. Default: false. */
  readonly lists?: boolean | undefined;
  /** `order`: it may only be ordered by; `filter`: only compared. Default: both. */
  readonly only?: "order" | "filter" | undefined;
}

/** Which words a search understands. */
export interface SearchGrammar {
  /** `mlflow`: refuses what an MLflow server refuses, in its words. `millwright`: has OR, parentheses, lists and numbers everywhere. */
  readonly language: "millwright" | "mlflow";
  /** What each word before a dot means. */
  readonly entities: Readonly<Record<string, EntityName>>;
  /** By the names they are called. */
  readonly attributes: Readonly<Record<string, AttributeRule>>;
}

const text = (field: string, only?: AttributeRule["only"]): AttributeRule => ({ field, type: "text", only });
const listed = (field: string): AttributeRule => ({ field, type: "text", lists: true });
const number = (field: string, only?: AttributeRule["only"]): AttributeRule => ({ field, type: "number", only });

const attributeWords = { attribute: "attribute", attributes: "attribute" } as const;
const tagWords = { tag: "tag", tags: "tag" } as const;
const runEntities = {
  ...attributeWords,
  attr: "attribute",
  run: "attribute",
  ...tagWords,
  metric: "metric",
  metrics: "metric",
  parameter: "param",
  parameters: "param",
  param: "param",
  params: "param",
  dataset: "dataset",
  datasets: "dataset",
} as const;

const mlflowRunAttributes = {
  run_id: listed("run_id"),
  run_name: text("run_name"),
  "run name": text("run_name"),
  "Run name": text("run_name"),
  "Run Name": text("run_name"),
  user_id: text("user_id"),
  status: text("status"),
  artifact_uri: text("artifact_uri"),
  start_time: number("start_time"),
  created: number("start_time"),
  Created: number("start_time"),
  end_time: number("end_time"),
};

/** `runs/search` of MLflow. */
export const mlflowRuns: SearchGrammar = {
  language: "mlflow",
  entities: runEntities,
  attributes: mlflowRunAttributes,
};

/** MLflow's, and more: aggregated metrics, where a run stands, lists everywhere. */
export const millwrightRuns: SearchGrammar = {
  language: "millwright",
  entities: {
    ...runEntities,
    last_metric: "metric",
    last_metrics: "metric",
    min_metric: "min_metric",
    min_metrics: "min_metric",
    max_metric: "max_metric",
    max_metrics: "max_metric",
  },
  attributes: {
    ...mlflowRunAttributes,
    id: text("run_id"),
    name: text("run_name"),
    parent_run_id: text("parent_run_id"),
    experiment: text("experiment"),
    notes: text("notes"),
  },
};

export const mlflowExperiments: SearchGrammar = {
  language: "mlflow",
  entities: { ...attributeWords, ...tagWords },
  attributes: {
    name: text("name"),
    creation_time: number("creation_time"),
    last_update_time: number("last_update_time"),
    experiment_id: number("experiment_id", "order"),
  },
};

export const millwrightExperiments: SearchGrammar = {
  ...mlflowExperiments,
  language: "millwright",
  attributes: { ...mlflowExperiments.attributes, experiment_id: number("experiment_id") },
};

export const mlflowModels: SearchGrammar = {
  language: "mlflow",
  entities: { ...attributeWords, ...tagWords },
  attributes: {
    name: text("name"),
    creation_timestamp: number("creation_timestamp", "order"),
    last_updated_timestamp: number("last_updated_timestamp", "order"),
    timestamp: number("last_updated_timestamp", "order"),
  },
};

export const millwrightModels: SearchGrammar = {
  language: "millwright",
  entities: mlflowModels.entities,
  attributes: {
    name: text("name"),
    description: text("description"),
    creation_timestamp: number("creation_timestamp"),
    last_updated_timestamp: number("last_updated_timestamp"),
  },
};

export const mlflowVersions: SearchGrammar = {
  language: "mlflow",
  entities: { ...attributeWords, ...tagWords },
  attributes: {
    name: text("name"),
    run_id: listed("run_id"),
    source_path: text("source_path", "filter"),
    version_number: number("version_number"),
    creation_timestamp: number("creation_timestamp", "order"),
    last_updated_timestamp: number("last_updated_timestamp", "order"),
  },
};

export const millwrightVersions: SearchGrammar = {
  language: "millwright",
  entities: mlflowVersions.entities,
  attributes: {
    ...mlflowVersions.attributes,
    source_path: text("source_path"),
    creation_timestamp: number("creation_timestamp"),
    last_updated_timestamp: number("last_updated_timestamp"),
    description: text("description"),
    approval: text("approval"),
    digest: text("digest"),
    registered_by: text("registered_by"),
  },
};

/** `logged-models/search` of MLflow 3. */
export const mlflowLoggedModels: SearchGrammar = {
  language: "mlflow",
  entities: {
    ...attributeWords,
    ...tagWords,
    metric: "metric",
    metrics: "metric",
    param: "param",
    params: "param",
  },
  attributes: {
    name: listed("name"),
    model_id: listed("model_id"),
    model_type: listed("model_type"),
    status: listed("status"),
    source_run_id: listed("source_run_id"),
    creation_timestamp: number("creation_timestamp"),
    creation_time: number("creation_timestamp"),
    last_updated_timestamp: number("last_updated_timestamp"),
    last_updated_time: number("last_updated_timestamp"),
  },
};
