import { spawnSync } from "node:child_process";
import { bool, categorical, float, int, ordinal, when } from "@millwright/tuner";
import { toSageMakerTuningJob } from "@millwright/tuner/interop";
import { expect, test } from "vitest";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import botocore"]).status === 0;
const missing = `${python} cannot import botocore: pip install boto3, and name that Python in MILLWRIGHT_PYTHON`;

/** What AWS's own client has against a request. */
const script = `
import json, sys
import botocore.session, botocore.validate
model = botocore.session.get_session().get_service_model("sagemaker")
shape = model.operation_model("CreateHyperParameterTuningJob").input_shape
print(botocore.validate.ParamValidator().validate(json.load(sys.stdin), shape).generate_report())
`;

function complaints(config: object, staticHyperParameters: object): string {
  const request = {
    HyperParameterTuningJobName: "job",
    HyperParameterTuningJobConfig: config,
    TrainingJobDefinition: {
      StaticHyperParameters: staticHyperParameters,
      AlgorithmSpecification: { TrainingImage: "image", TrainingInputMode: "File" },
      RoleArn: "arn:aws:iam::123456789012:role/tuning-role",
      OutputDataConfig: { S3OutputPath: "s3://bucket/out" },
      StoppingCondition: { MaxRuntimeInSeconds: 60 },
    },
  };
  const { stdout, stderr, status } = spawnSync(python, ["-c", script], { input: JSON.stringify(request) });
  if (status !== 0) throw new RangeError(String(stderr));
  return String(stdout).trim();
}

test("AWS's own client has nothing against the tuning jobs that are made, and would have against others", (context) => {
  context.skip(!found && process.env["CI"] !== "true", missing);
  const space = {
    rate: float(1e-5, 0.1, { log: true }),
    near: float(0, 0.99, { reverseLog: true }),
    layers: int(1, 6),
    kind: categorical(["a", "b"]),
    size: ordinal([1, 10]),
    extra: when("kind", ["a"], bool()),
  };
  const options = {
    direction: "maximize",
    metric: "auc",
    trials: 20,
    parallelism: 2,
    seed: 1,
    earlyStopping: true,
  } as const;
  const { config, staticHyperParameters } = toSageMakerTuningJob(space, options);
  expect(complaints(config, staticHyperParameters)).toBe("");
  expect(complaints({ ...config, ResourceLimits: {} }, staticHyperParameters)).toContain("MaxParallelTrainingJobs");
});
