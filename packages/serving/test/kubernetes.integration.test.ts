import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { inferenceServiceObjects, kubernetesObjects, kubernetesYaml } from "../src/kubernetes.ts";
import { specs } from "./kubernetes-specs.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const kserve = process.env["MILLWRIGHT_KSERVE_PYTHON"] ?? "python3";

function missing(program: string, modules: string, names: string): string | undefined {
  const find = `import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, "${modules}".split())))`;
  if (process.env["CI"] === "true" || spawnSync(program, ["-c", find]).status === 0) return undefined;
  return `${program} cannot import ${modules}; name a Python that can in ${names}`;
}

/** Checks objects, one a line, by the schemas that Kubernetes publishes; unknown fields are errors. */
const validate = `
import json, sys, kubernetes_validate
for line in sys.stdin:
    try:
        kubernetes_validate.validate(json.loads(line), sys.argv[1], strict=True)
        print("valid")
    except Exception as error:
        print(type(error).__name__, getattr(error, "message", error))
`;

const inLines = (objects: readonly object[]): string => objects.map((each) => `${JSON.stringify(each)}\n`).join("");

const run = (program: string, args: readonly string[], input: string): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
};

test(
  "Kubernetes: the objects of an endpoint are valid by the schemas that Kubernetes publishes",
  { timeout: 600_000 },
  ({ skip }) => {
    const absent = missing(python, "kubernetes_validate", "MILLWRIGHT_PYTHON");
    skip(absent !== undefined, absent);
    const { objects } = kubernetesObjects(specs.claim);
    const every = Object.values(specs).flatMap((spec) => kubernetesObjects(spec).objects);
    expect(new Set(every.map(({ kind }) => kind)).size).toBe(4);
    const { deployment } = kubernetesObjects(specs.claim);
    const wrong = { ...deployment, spec: { ...(deployment["spec"] as object), replicaz: 1 } };
    // The kubelet's own sleep is newer than 1.26.
    for (const [version, right] of [
      ["1.26", objects],
      ["1.30", every],
      ["1.34", every],
    ] as const) {
      const lines = run(python, ["-c", validate, version], inLines([...right, wrong]))
        .trim()
        .split("\n");
      expect(lines.slice(0, -1)).toEqual(right.map(() => "valid"));
      expect(lines.at(-1)).toContain("replicaz");
    }
  },
);

test("Kubernetes: PyYAML reads the same objects from YAML", { timeout: 300_000 }, ({ skip }) => {
  const absent = missing(python, "yaml", "MILLWRIGHT_PYTHON");
  skip(absent !== undefined, absent);
  const objects = Object.values(specs).flatMap((spec) => kubernetesObjects(spec).objects);
  const read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
  expect(JSON.parse(run(python, ["-c", read], kubernetesYaml(objects)))).toEqual(objects);
});

test(
  "KServe: the classes of its Python package read every field of InferenceServices and ServingRuntimes",
  { timeout: 600_000 },
  ({ skip }) => {
    const absent = missing(kserve, "kserve kubernetes", "MILLWRIGHT_KSERVE_PYTHON");
    skip(absent !== undefined, absent);
    const objects = [
      ...[specs.plain, specs.full, specs.claim].flatMap((spec) => inferenceServiceObjects(spec)),
      ...inferenceServiceObjects(specs.full, { form: "runtime" }),
    ];
    const wrong = { ...objects[0], spec: { predictor: { containerz: [] } } };
    const nameless = { ...objects[0], spec: { predictor: { containers: [{ image: "x" }] } } };
    const script = fileURLToPath(new URL("fixtures/kserve_objects.py", import.meta.url));
    const lines = run(kserve, [script], inLines([...objects, wrong, nameless]))
      .trim()
      .split("\n");
    expect(lines.slice(0, -2)).toEqual(objects.map(() => "valid"));
    expect(lines.at(-2)).toContain("containerz");
    expect(lines.at(-1)).toContain("name");
  },
);
