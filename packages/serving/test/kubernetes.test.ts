import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openModelServer } from "../src/index.ts";
import {
  inferenceServiceObjects,
  kubernetesJson,
  type KubernetesObject,
  kubernetesObjects,
  type KubernetesSpec,
  kubernetesYaml,
} from "../src/kubernetes.ts";
import { specs } from "./kubernetes-specs.ts";

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly {
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
    readonly env: readonly { readonly name: string; readonly value?: string }[];
    readonly startupProbe: Probe;
    readonly readinessProbe: Probe;
    readonly livenessProbe: Probe;
    readonly lifecycle: { readonly preStop: object };
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly subPath?: string }[];
  }[];
  readonly initContainers?: readonly { readonly args: readonly string[]; readonly image: string }[];
  readonly topologySpreadConstraints: readonly { readonly labelSelector: { readonly matchLabels: object } }[];
}

interface DeploymentSpec {
  readonly replicas?: number;
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly progressDeadlineSeconds: number;
  readonly template: { readonly metadata: { readonly labels: object }; readonly spec: Pod };
}

const deploymentOf = (spec: KubernetesSpec): DeploymentSpec =>
  kubernetesObjects(spec).deployment["spec"] as DeploymentSpec;
const predictorOf = (object: KubernetesObject): Pod => (object["spec"] as { readonly predictor: Pod }).predictor;

describe("a pod ends without losing a request", () => {
  const times = [1, 5, 30].flatMap((preStopSeconds) =>
    [0, 7].flatMap((drainSeconds) =>
      [1, 25, 600].map((longestRequestSeconds) => ({ preStopSeconds, drainSeconds, longestRequestSeconds })),
    ),
  );
  test.each(times)("after preStop, drain and the longest request there is time left: %o", (termination) => {
    const { preStopSeconds, drainSeconds, longestRequestSeconds } = termination;
    const spec = { ...specs.plain, termination };
    const [service] = inferenceServiceObjects(spec);
    for (const pod of [deploymentOf(spec).template.spec, predictorOf(service!)]) {
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(preStopSeconds + drainSeconds + longestRequestSeconds);
      expect(pod.containers[0]!.lifecycle.preStop).toEqual({ sleep: { seconds: preStopSeconds } });
    }
  });

  test("the defaults leave more than the 25 s that millwright-serve takes; preStop is a command where asked", () => {
    const { terminationGracePeriodSeconds } = deploymentOf(specs.plain).template.spec;
    expect(terminationGracePeriodSeconds).toBe(5 + 0 + 25 + 5);
    const [container] = deploymentOf(specs.claim).template.spec.containers;
    expect(container!.lifecycle.preStop).toEqual({ exec: { command: ["sleep", "5"] } });
  });
});

test("the probes ask routes that the server has, and startup lets the model load as long as it may", async () => {
  const root = await mkdtemp(join(tmpdir(), "kubernetes-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const network = writeDenseModel([{ kernel: [0.5], bias: [0], activation: "linear" }]);
  await packModel(join(root, "late", "1"), { name: "late", format: "dense", ...network });
  await using server = await openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  const [container] = deploymentOf({ ...specs.plain, probes: { startupSeconds: 602 } }).template.spec.containers;
  const { startupProbe, readinessProbe, livenessProbe } = container!;
  const ask = async ({ httpGet }: Probe): Promise<number> =>
    (await server.handle(new Request(`http://pod${httpGet.path}`))).status;
  expect([await ask(startupProbe), await ask(readinessProbe), await ask(livenessProbe)]).toEqual([200, 200, 200]);
  await server.drain();
  // One that shuts down leaves the Service, and is not started anew.
  expect([await ask(readinessProbe), await ask(livenessProbe)]).toEqual([503, 200]);
  expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThanOrEqual(602);
  for (const probe of [startupProbe, readinessProbe, livenessProbe])
    expect(probe.timeoutSeconds).toBeLessThanOrEqual(probe.periodSeconds);
  const [mounted] = deploymentOf(specs.full).template.spec.containers;
  expect(mounted!.readinessProbe.httpGet).toEqual({ path: "/ml/v2/health/ready", port: "http" });
});

test("Service, Deployment, budget and autoscaler are about the same pods and port", () => {
  const { deployment, service, autoscaler, disruptionBudget, objects } = kubernetesObjects(specs.full);
  const { selector, template, replicas, progressDeadlineSeconds } = deployment["spec"] as DeploymentSpec;
  expect(template.metadata.labels).toMatchObject(selector.matchLabels);
  expect(service["spec"]).toMatchObject({ selector: selector.matchLabels, ports: [{ targetPort: "http" }] });
  expect(template.spec.containers[0]!.ports).toEqual([{ name: "http", containerPort: 9000, protocol: "TCP" }]);
  expect(template.spec.containers[0]!.env).toContainEqual({ name: "SAGEMAKER_BIND_TO_PORT", value: "9000" });
  expect(disruptionBudget["spec"]).toMatchObject({ selector, maxUnavailable: 1 });
  expect(template.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector)).toEqual([
    selector,
    selector,
  ]);
  expect(progressDeadlineSeconds).toBeGreaterThan(602);
  // The autoscaler's, so that applying the manifest again does not reset it.
  expect(replicas).toBeUndefined();
  expect(autoscaler?.["spec"]).toMatchObject({
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "late-flights" },
    minReplicas: 3,
    maxReplicas: 30,
    metrics: [{ resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 60 } } }],
  });
  expect(objects.every(({ metadata }) => metadata["namespace"] === "flights")).toBe(true);

  const fixed = kubernetesObjects(specs.claim);
  expect([fixed.autoscaler, fixed.objects.length, deploymentOf(specs.claim).replicas]).toEqual([undefined, 3, 1]);
});

test("the model is mounted from a claim, or fetched before the server starts, where the server looks for it", () => {
  const claim = deploymentOf(specs.claim).template.spec;
  expect(claim.containers[0]!.volumeMounts).toContainEqual({
    name: "model",
    mountPath: "/opt/ml/model",
    subPath: "late/1",
    readOnly: true,
  });
  const { initContainers, containers } = deploymentOf(specs.full).template.spec;
  expect(initContainers?.[0]).toMatchObject({ args: ["s3://models/late/1", "/opt/ml/model"] });
  expect(containers[0]!.env[0]).toEqual({ name: "SM_MODEL_DIR", value: "/opt/ml/model" });

  const [service] = inferenceServiceObjects(specs.full);
  const [container] = predictorOf(service!).containers;
  expect(container!.env.slice(0, 2)).toEqual([
    { name: "STORAGE_URI", value: "s3://models/late/1" },
    { name: "SM_MODEL_DIR", value: "/mnt/models" },
  ]);
  const [runtime, served] = inferenceServiceObjects(specs.full, { form: "runtime" });
  expect(predictorOf(served!)).toMatchObject({
    model: { runtime: runtime!.metadata.name, protocolVersion: "v2", storageUri: "s3://models/late/1" },
  });
});

test("JSON is a List of the objects", () => {
  const { objects } = kubernetesObjects(specs.inFlight);
  expect(JSON.parse(kubernetesJson(objects))).toEqual({ apiVersion: "v1", kind: "List", items: objects });
  expect(kubernetesYaml(objects).match(/^---$/gm)).toHaveLength(4);
});

const { plain } = specs;
const wrong: readonly (readonly [field: string, spec: object])[] = [
  ["spec", null as never],
  ["name", { ...plain, name: "Late Flights" }],
  ["name", { ...plain, name: "x".repeat(64) }],
  ["image", { ...plain, image: "" }],
  ["namespace", { ...plain, namespace: "a.b" }],
  ["port", { ...plain, port: 70_000 }],
  ["args", { ...plain, args: "serve" }],
  ["replicas.min", { ...plain, replicas: { min: 0, max: 2 } }],
  ["replicas", { ...plain, replicas: { min: 3, max: 2 } }],
  ["resources.cpu", { ...plain, resources: { cpu: "fast", memory: "1Gi" } }],
  ["resources.memory", { ...plain, resources: { cpu: "1", memory: "0" } }],
  ["resources.gpus", { ...plain, resources: { cpu: "1", memory: "1Gi", gpus: 0.5 } }],
  ["modelUri", { ...plain, modelUri: "late/1" }],
  ["modelUri", { ...plain, modelUri: "s3://models/late/1" }],
  ["modelUri", { ...plain, modelUri: "pvc://models/../other" }],
  ["env", { ...plain, env: { "1A": "x" } }],
  ["env.SM_MODEL_DIR", { ...plain, env: { SM_MODEL_DIR: "/x" } }],
  ["env.TOKEN.key", { ...plain, env: { TOKEN: { secret: "keys" } } }],
  ["labels.team", { ...plain, labels: { team: "a b" } }],
  ["labels.app.kubernetes.io/name", { ...plain, labels: { "app.kubernetes.io/name": "x" } }],
  ["probes.timeoutSeconds", { ...plain, probes: { periodSeconds: 2, timeoutSeconds: 3 } }],
  ["probes.prefix", { ...plain, probes: { prefix: "ml/" } }],
  ["scaling.cpuUtilization", { ...plain, scaling: { cpuUtilization: 0 } }],
  ["scaling.podMetric.averageValue", { ...plain, scaling: { podMetric: { name: "a", averageValue: "x" } } }],
  ["termination.preStopSeconds", { ...plain, termination: { preStopSeconds: 0 } }],
  ["termination.preStopBy", { ...plain, termination: { preStopBy: "hope" } }],
];

test.each(wrong)("a wrong %s is told by its name, with what mends it", (field, spec) => {
  expect(() => kubernetesObjects(spec as KubernetesSpec)).toThrow(
    expect.objectContaining({
      code: "SERVING_KUBERNETES_INVALID",
      message: expect.stringContaining(`\`${field}\``),
      remedy: expect.stringMatching(/^\w.*\.$/),
    }),
  );
});

test("KServe is told what it cannot do", () => {
  const code = "SERVING_KUBERNETES_INVALID";
  expect(() => inferenceServiceObjects(specs.inFlight)).toThrow(expect.objectContaining({ code }));
  expect(() => inferenceServiceObjects({ ...plain, name: "x".repeat(54) })).toThrow(expect.objectContaining({ code }));
  expect(() => inferenceServiceObjects(plain, { form: "runtime" })).toThrow(expect.objectContaining({ code }));
});
