import { Validation, Spec } from "@cyclonedx/cyclonedx-library";
import { digestOf } from "@millwright/contracts";
import { type VersionMaterials, judgeLicense, licenseGate, readLockFile } from "@millwright/registry";
import { expect, test } from "vitest";
import { openWorkshop } from "./workshop.ts";

const by = "ann";

const npmLock = JSON.stringify({
  lockfileVersion: 3,
  packages: {
    "": { name: "service", version: "1.0.0", license: "UNLICENSED" },
    "node_modules/@scope/left": { version: "1.2.3", license: "MIT", integrity: `sha512-${"A".repeat(86)}==` },
    "node_modules/right": { version: "2.0.0", license: "(MIT OR GPL-3.0-or-later)" },
    "node_modules/right/node_modules/odd": { version: "0.1.0", license: "SEE LICENSE IN odd.txt" },
    "node_modules/linked": { link: true, resolved: "packages/linked" },
  },
});

const pnpmLock = `
lockfileVersion: '9.0'
packages:
  '@scope/left@1.2.3':
    resolution: {integrity: sha512-${"B".repeat(86)}==}
  right@2.0.0(peer@1.0.0):
    resolution: {integrity: sha1-${"C".repeat(27)}=}
`;

test("lock files and lists of packages give their dependencies, with what they know of them", () => {
  expect(readLockFile("a/package-lock.json", npmLock)).toEqual([
    {
      purl: "pkg:npm/%40scope/left",
      name: "@scope/left",
      version: "1.2.3",
      license: "MIT",
      integrity: `sha512-${"A".repeat(86)}==`,
    },
    { purl: "pkg:npm/odd", name: "odd", version: "0.1.0", license: "SEE LICENSE IN odd.txt" },
    { purl: "pkg:npm/right", name: "right", version: "2.0.0", license: "(MIT OR GPL-3.0-or-later)" },
  ]);
  expect(readLockFile("pnpm-lock.yaml", pnpmLock)).toMatchObject([
    { purl: "pkg:npm/%40scope/left", version: "1.2.3" },
    { purl: "pkg:npm/right", version: "2.0.0", integrity: `sha1-${"C".repeat(27)}=` },
  ]);
  const list =
    "# pinned\n-r other.txt\nNum_Py==2.1.0 \\\n    --hash=sha256:ab\nscikit.learn[all] == 1.5 ; python_version > '3'\n";
  expect(readLockFile("requirements.txt", list)).toEqual([
    { purl: "pkg:pypi/num-py", name: "Num_Py", version: "2.1.0" },
    { purl: "pkg:pypi/scikit-learn", name: "scikit.learn", version: "1.5" },
  ]);
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ["requirements.txt", "numpy>=2", /pins no version/],
    ["package-lock.json", "{", /cannot be parsed/],
    ["package-lock.json", "{}", /no `packages`/],
    ["Cargo.lock", "", /is no package-lock/],
  ];
  for (const [file, text, message] of bad) {
    expect(() => readLockFile(file, text)).toThrowError(message);
    expect(() => readLockFile(file, text)).toThrowError(
      expect.objectContaining({ code: "REGISTRY_MATERIALS_INVALID" }),
    );
  }
});

test("a deny-list is held against what an SPDX expression leaves to choose", () => {
  const deny = ["GPL-3.0", "agpl-*", "CC-BY-NC-4.0"];
  const cases: readonly (readonly [string | undefined, "allowed" | "denied" | "unknown"])[] = [
    ["MIT", "allowed"],
    ["GPL-3.0-only", "denied"],
    ["GPL-3.0-or-later", "denied"],
    ["GPL-3.0+", "denied"],
    ["GPL-3.0-only WITH Classpath-exception-2.0", "denied"],
    ["GPL-2.0-only", "allowed"],
    ["AGPL-1.0-only", "denied"],
    ["MIT OR GPL-3.0-only", "allowed"],
    ["MIT AND GPL-3.0-only", "denied"],
    ["(MIT OR GPL-3.0-only) AND AGPL-3.0-or-later", "denied"],
    ["(AGPL-3.0-only OR CC-BY-NC-4.0)", "denied"],
    ["LicenseRef-house", "allowed"],
    ["SEE LICENSE IN file", "unknown"],
    ["UNLICENSED", "unknown"],
    [undefined, "unknown"],
  ];
  for (const [expression, verdict] of cases) expect(judgeLicense(expression, deny).verdict, expression).toBe(verdict);
  expect(judgeLicense("MIT AND GPL-3.0-only", deny).licenses).toEqual(["GPL-3.0-only"]);
});

test("MR-30: the bill of materials of a version validates against CycloneDX's schema, and a denied license blocks its promotion", async () => {
  const gate = licenseGate({ deny: ["AGPL-3.0"] });
  await using workshop = await openWorkshop({ gates: { alias: { champion: [gate] } } });
  const { registry, pack } = workshop;
  const provenance = { datasets: { train: digestOf("train") }, metrics: { auc: 0.9 }, code: digestOf("code") };
  await registry.register("late", await pack("one", provenance), { by, description: "Delays" });
  const promote = () => registry.setAlias("late", "champion", 1, { by });
  const closed = (message: RegExp) => ({
    code: "REGISTRY_GATE_CLOSED",
    message: expect.stringMatching(message) as unknown,
  });
  // Validated also while nothing is said of it.
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  const bill = () => registry.billOfMaterials("late/1");
  expect(await validator.validate(JSON.stringify(await bill()))).toBeNull();
  await expect(promote()).rejects.toMatchObject(closed(/Nobody has said what licenses/));

  const dependencies = readLockFile("package-lock.json", npmLock).filter(({ name }) => name !== "odd");
  const dataTerms = [{ dataset: "train", license: "CC-BY-4.0", terms: "Contract 12: for planning only" }];
  const said: VersionMaterials = { license: "Apache-2.0", dataTerms, dependencies };
  const denied = { purl: "pkg:npm/viral", name: "viral", version: "1.0.0", license: "AGPL-3.0-or-later" };
  await registry.setMaterials("late", 1, { ...said, dependencies: [...dependencies, denied] }, { by });
  await expect(promote()).rejects.toMatchObject(closed(/viral 1\.0\.0 is under AGPL-3\.0-or-later/));
  await registry.setMaterials("late", 1, { ...said, license: undefined }, { by });
  await expect(promote()).rejects.toMatchObject(closed(/the license of the model is not known/));
  await registry.setMaterials("late", 1, { ...said, dataTerms: [] }, { by });
  await expect(promote()).rejects.toMatchObject(closed(/the license of the data "train" is not known/));
  expect(await registry.aliases("late")).toEqual({});
  await registry.setMaterials("late", 1, said, { by });
  await promote();
  expect(await registry.aliases("late")).toEqual({ champion: 1 });
  expect(await registry.materials("late", 1)).toMatchObject({ ...said, setBy: by });

  const made = await bill();
  expect(await validator.validate(JSON.stringify(made))).toBeNull();
  // The validator sees what is wrong.
  expect(await validator.validate(JSON.stringify({ ...made, components: [{ type: "model" }] }))).not.toBeNull();
  expect(await bill()).toEqual(made);
  const { digest, manifest } = await registry.version("late/1");
  expect(made).toMatchObject({
    specVersion: "1.6",
    metadata: {
      component: {
        type: "machine-learning-model",
        name: "late",
        version: "1",
        hashes: [{ alg: "SHA-256", content: digest.slice(7) }],
        licenses: [{ expression: "Apache-2.0" }],
        modelCard: { quantitativeAnalysis: { performanceMetrics: [{ type: "auc", value: "0.9" }] } },
      },
    },
  });
  const components = made["components"] as { readonly type: string; readonly name: string; readonly purl?: string }[];
  expect(components.filter(({ type }) => type === "file")).toHaveLength(manifest.files.length);
  expect(components.find(({ name }) => name === "train")).toMatchObject({
    type: "data",
    licenses: [{ expression: "CC-BY-4.0" }],
    hashes: [{ alg: "SHA-256", content: digestOf("train").slice(7) }],
  });
  expect(components.find(({ name }) => name === "@scope/left")).toMatchObject({
    purl: "pkg:npm/%40scope/left@1.2.3",
    hashes: [{ alg: "SHA-512", content: "0".repeat(128) }],
  });
});

test("what is said of a version is kept as it is valid, told with who said it, and only once", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  await registry.register("late", await pack("one"), { by });
  expect(await registry.materials("late", 1)).toBeUndefined();
  const left = { purl: "pkg:npm/left", name: "left", version: "1.0.0" };
  await registry.setMaterials("late", 1, { license: "MIT", dependencies: [left] }, { by });
  await registry.setMaterials("late", 1, { license: "MIT", dependencies: [left] }, { by: "bob" });
  const told = (await workshop.events()).filter(({ type }) => type === "model.materials-set");
  expect(told).toMatchObject([
    { subject: "late/1", data: { by, materials: { from: null, to: { license: "MIT", dependencies: 1 } } } },
  ]);
  const wrong: readonly unknown[] = [
    null,
    { license: "the usual" },
    { license: 5 },
    { dataTerms: {} },
    { dataTerms: [{ license: "MIT" }] },
    { dependencies: [left, null] },
    { dependencies: [{ ...left, purl: "left" }] },
    { dependencies: [{ ...left, purl: "pkg:npm/left@1.0.0" }] },
    { dependencies: [{ ...left, version: "" }] },
  ];
  for (const materials of wrong)
    await expect(registry.setMaterials("late", 1, materials as VersionMaterials, { by })).rejects.toMatchObject({
      code: "REGISTRY_MATERIALS_INVALID",
    });
  await expect(registry.setMaterials("late", 2, {}, { by })).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
  expect(await registry.materials("late", 1)).toMatchObject({ license: "MIT", setBy: by });
});
