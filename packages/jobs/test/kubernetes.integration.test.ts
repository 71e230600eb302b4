import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { jobObject } from "../src/kubernetes/job-object.ts";
import { planClusterAttempt } from "../src/remote/attempt-script.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import kubernetes_validate"]).status === 0;
const missing =
  found || process.env["CI"] === "true"
    ? undefined
    : `${python} cannot import kubernetes_validate: pip install kubernetes-validate, and name that Python in MILLWRIGHT_PYTHON`;

/** Checks objects of standard input, one a line, by the schemas that Kubernetes publishes; unknown fields are errors. */
const validate = `
import json, sys, kubernetes_validate
for line in sys.stdin:
    try:
        kubernetes_validate.validate(json.loads(line), sys.argv[1], strict=True)
        print("valid")
    except Exception as error:
        print(type(error).__name__, getattr(error, "message", error))
`;

function objectOf(more: { readonly podSpec?: Readonly<Record<string, unknown>> } = {}): object {
  const spec = {
    id: "Train flights / 7",
    run: { module: "file:///app/train.js", input: { rows: 10 } },
    environment: { TOKEN: "x" },
    resources: { cpus: 1.5, gpus: 2 },
    limits: { wallTimeMs: 60_000, memoryBytes: 1_000_000_000, graceMs: 5_000 },
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  };
  const setting = {
    name: "mw-train-1",
    attempt: 1,
    mark: "m",
    work: "/w",
    folder: "/shared/f",
    node: "node",
    previous: undefined,
  };
  return jobObject(planClusterAttempt(spec, { ...setting, wallTimeSeconds: 60, ownTimeout: false }), {
    namespace: "training",
    image: "registry.example/train:1",
    podSpec: {},
    labels: { team: "flights" },
    gpuResource: "nvidia.com/gpu",
    ttlSecondsAfterFinished: 86_400,
    ...more,
  });
}

const podSpec = {
  serviceAccountName: "trainer",
  nodeSelector: { pool: "gpu" },
  tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
  volumes: [{ name: "shared", persistentVolumeClaim: { claimName: "jobs" } }],
  containers: [
    {
      volumeMounts: [{ name: "shared", mountPath: "/shared" }],
      env: [{ name: "KEY", valueFrom: { secretKeyRef: { name: "keys", key: "k" } } }],
      resources: { requests: { "ephemeral-storage": "1Gi" } },
    },
  ],
};

test(
  "Kubernetes: Jobs are valid by the schemas that Kubernetes publishes, from 1.26 on",
  { timeout: 600_000 },
  ({ skip }) => {
    skip(missing !== undefined, missing);
    const wrong = { ...objectOf(), spec: { ...(objectOf() as { readonly spec: object }).spec, backoffLimt: 0 } };
    const input = [objectOf(), objectOf({ podSpec }), wrong].map((each) => `${JSON.stringify(each)}\n`).join("");
    for (const version of ["1.26", "1.30", "1.34"]) {
      const { stdout, stderr } = spawnSync(python, ["-c", validate, version], { input, encoding: "utf8" });
      const lines = stdout.trim().split("\n");
      expect(lines.slice(0, 2), stderr).toEqual(["valid", "valid"]);
      expect(lines[2]).toContain("backoffLimt");
    }
  },
);
