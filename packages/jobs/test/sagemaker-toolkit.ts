import type { TrainingSpec } from "@millwright/jobs";

/** What a job is told in as many kinds of value as there are; `fixtures/sagemaker/toolkit.json` is what sagemaker-training 5.1.4 made of it below `/opt/ml`. */
export const toolkitSpec: Pick<TrainingSpec, "hyperparameters" | "hosts" | "currentHost" | "instanceType"> = {
  hyperparameters: {
    epochs: 3,
    rate: 0.00001,
    tiny: 1.5e-9,
    huge: 1e22,
    whole: "1.0",
    zero: 0,
    flag: true,
    off: false,
    nothing: null,
    name: "adam",
    quoted: 'it\'s "so"\n',
    Umlaut: "größe 😀",
    list: [1, "a", null, 0.5, [true]],
    map: { b: 2, a: "x" },
    z: "short",
    missing: "NaN",
    sagemaker_container_log_level: 10,
    sagemaker_own: { a: 1 },
    _tuning_objective_metric: "loss",
  },
  hosts: ["algo-1", "algo-2"],
  currentHost: "algo-2",
  instanceType: "ml.m5.large",
};
