import { join } from "node:path";
import type { JsonValue } from "@millwright/contracts";
import { pythonFormsOf, pythonJson } from "./python-text.ts";

/** The folders of SageMaker's training container, below a root that is `/opt/ml` there. */
export interface TrainingFolders {
  readonly root: string;
  readonly config: string;
  readonly data: string;
  readonly model: string;
  readonly output: string;
  readonly outputData: string;
  readonly checkpoints: string;
  readonly code: string;
}

export const trainingFolders = (root: string): TrainingFolders => ({
  root,
  config: join(root, "input", "config"),
  data: join(root, "input", "data"),
  model: join(root, "model"),
  output: join(root, "output"),
  outputData: join(root, "output", "data"),
  checkpoints: join(root, "checkpoints"),
  code: join(root, "code"),
});

/** What the container is told of its job. */
export interface TrainingSetting {
  readonly jobName: string;
  /** Where the job sees its root. */
  readonly folders: TrainingFolders;
  readonly channels: Readonly<Record<string, ChannelConfiguration>>;
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
  /** File name of the script, below `code`; absent where a command or a module runs. */
  readonly script: string | undefined;
  readonly hosts: readonly string[];
  readonly currentHost: string;
  readonly instanceType: string;
  readonly cpus: number;
  readonly gpus: number;
}

/** One channel in `inputdataconfig.json`. */
export interface ChannelConfiguration {
  readonly ContentType?: string;
  readonly TrainingInputMode: "File" | "FastFile" | "Pipe";
  readonly S3DistributionType: "FullyReplicated" | "ShardedByS3Key";
  readonly RecordWrapperType: "None" | "RecordIO";
}

const groupName = "homogeneousCluster";

/**
 * The three files of `input/config`, by name.
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
 */
export function configurationFiles(
  setting: TrainingSetting,
): Readonly<Record<string, Readonly<Record<string, JsonValue>>>> {
  return {
    "hyperparameters.json": writtenHyperparameters(setting),
    "inputdataconfig.json": setting.channels as unknown as Readonly<Record<string, JsonValue>>,
    "resourceconfig.json": resourceConfiguration(setting),
  };
}

/** All values are texts, as CreateTrainingJob has them; what is no text is its JSON. */
function writtenHyperparameters({
  hyperparameters,
  script,
  folders,
}: TrainingSetting): Readonly<Record<string, string>> {
  const own = script === undefined ? {} : { sagemaker_program: script, sagemaker_submit_directory: folders.code };
  return Object.fromEntries(
    Object.entries({ ...own, ...hyperparameters }).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

function resourceConfiguration({
  hosts,
  currentHost,
  instanceType,
}: TrainingSetting): Readonly<Record<string, JsonValue>> {
  return {
    current_host: currentHost,
    current_instance_type: instanceType,
    current_group_name: groupName,
    hosts: [...hosts],
    instance_groups: [{ instance_group_name: groupName, instance_type: instanceType, hosts: [...hosts] }],
    network_interface_name: "eth0",
  };
}

/** Hyperparameters that are SageMaker's own: no script is given them. */
const reservedNames: readonly string[] = ["default_user_module_name", "_tuning_objective_metric"];
/** Of those, the ones with a meaning to sagemaker-training; any other that begins with `sagemaker_` is for a framework. */
const knownNames: readonly string[] = [
  "sagemaker_program",
  "sagemaker_submit_directory",
  "sagemaker_enable_cloudwatch_metrics",
  "sagemaker_region",
  "sagemaker_container_log_level",
  "sagemaker_job_name",
  "sagemaker_s3_output",
];

const isReserved = (name: string): boolean => name.startsWith("sagemaker_") || reservedNames.includes(name);

/** A hyperparameter under its name, in the forms that a script sees. */
const formsOf = (setting: TrainingSetting, wanted: (name: string) => boolean) =>
  Object.entries(writtenHyperparameters(setting))
    .filter(([name]) => wanted(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, written]) => ({ name, ...pythonFormsOf(written) }));

/** `--name value` for every hyperparameter in the order of names, `-n value` for a name of one letter: as sagemaker-training calls a script. */
export function scriptArguments(setting: TrainingSetting): readonly string[] {
  return formsOf(setting, (name) => !isReserved(name)).flatMap(({ name, argument }) => [
    name.length === 1 ? `-${name}` : `--${name}`,
    argument,
  ]);
}

/**
 * The variables that sagemaker-training sets for a script, and the platform's own.
 * @see https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
 */
export function trainingEnvironment(setting: TrainingSetting): Readonly<Record<string, string>> {
  const { folders, jobName, channels, currentHost } = setting;
  const told = environmentValues(setting);
  const variables: Record<string, string> = {};
  for (const [name, json] of Object.entries(told)) variables[`SM_${name.toUpperCase()}`] = plain(json);
  for (const name of Object.keys(channels)) variables[`SM_CHANNEL_${name.toUpperCase()}`] = join(folders.data, name);
  for (const { name, variable } of formsOf(setting, (each) => !isReserved(each)))
    variables[`SM_HP_${name.toUpperCase()}`] = variable;
  return {
    ...variables,
    SM_TRAINING_ENV: objectText({
      ...trainingEnvNames(told),
      additional_framework_parameters: told["framework_params"] as string,
      channel_input_dirs: pythonJson(
        Object.fromEntries(Object.keys(channels).map((name) => [name, join(folders.data, name)])),
      ),
      distribution_hosts: "[]",
      hyperparameters: told["hps"] as string,
      is_master: String(currentHost === setting.hosts[0]),
      is_modelparallel_enabled: "null",
      is_smddpmprun_installed: "false",
      is_smddprun_installed: "false",
      job_name: pythonJson(jobName),
      master_hostname: pythonJson(setting.hosts[0] as string),
      topology: "[]",
    }),
    SAGEMAKER_BASE_DIR: folders.root,
    CURRENT_HOST: currentHost,
    TRAINING_JOB_NAME: jobName,
  };
}

/** A text stands in a variable as it is, and what is absent as nothing. */
const plain = (json: string): string =>
  json === "null" ? "" : json.startsWith('"') ? (JSON.parse(json) as string) : json;

const objectText = (values: Readonly<Record<string, string>>): string =>
  `{${Object.entries(values)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, json]) => `${pythonJson(name)}:${json}`)
    .join(",")}}`;

/** Of the values, those that `SM_TRAINING_ENV` has under the same name. */
function trainingEnvNames(told: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const others: readonly string[] = ["hps", "framework_params", "channels", "user_args"];
  return Object.fromEntries(Object.entries(told).filter(([name]) => !others.includes(name)));
}

/** What sagemaker-training tells, as JSON texts by name. */
function environmentValues(setting: TrainingSetting): Readonly<Record<string, string>> {
  const { folders, channels, hosts, currentHost, instanceType } = setting;
  const written = writtenHyperparameters(setting);
  const textOf = (name: string): string | undefined =>
    written[name] === undefined ? undefined : pythonFormsOf(written[name]).variable;
  const program = textOf("sagemaker_program");
  const group = { instance_group_name: groupName, instance_type: instanceType, hosts: [...hosts] };
  const formed = (wanted: (name: string) => boolean): string =>
    objectText(Object.fromEntries(formsOf(setting, wanted).map(({ name, json }) => [name, json])));
  const values: Readonly<Record<string, JsonValue>> = {
    channels: Object.keys(channels).toSorted(),
    current_host: currentHost,
    current_instance_group: groupName,
    current_instance_group_hosts: [...hosts],
    current_instance_type: instanceType,
    distribution_instance_groups: [],
    framework_module: null,
    hosts: [...hosts],
    input_config_dir: folders.config,
    input_data_config: channels as unknown as JsonValue,
    input_dir: join(folders.root, "input"),
    instance_groups: [groupName],
    instance_groups_dict: { [groupName]: group },
    is_hetero: false,
    model_dir: folders.model,
    module_dir: textOf("sagemaker_submit_directory") ?? folders.code,
    module_name: program === undefined ? "None" : program.replace(/\.py$/, ""),
    network_interface_name: "eth0",
    num_cpus: setting.cpus,
    num_gpus: setting.gpus,
    num_neurons: 0,
    output_data_dir: folders.outputData,
    output_dir: folders.output,
    output_intermediate_dir: join(folders.output, "intermediate"),
    resource_config: resourceConfiguration(setting),
    user_args: [...scriptArguments(setting)],
    user_entry_point: program ?? null,
  };
  return {
    ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, pythonJson(value)])),
    log_level: pythonFormsOf(written["sagemaker_container_log_level"] ?? "20").json,
    hps: formed((name) => !isReserved(name)),
    framework_params: formed((name) => name.startsWith("sagemaker_") && !knownNames.includes(name)),
  };
}
