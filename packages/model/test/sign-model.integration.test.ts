import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { digestOf } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTrustPolicy, readSignatures, signModel, verifySignature } from "../src/index.ts";
import { flip, newSigner, packLine } from "./signed-models.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import securesystemslib.dsse, in_toto_attestation, cryptography"]).status === 0;
const isWanted = found || process.env["CI"] === "true";
const missing = `${python} cannot import in-toto's libraries: pip install "securesystemslib[crypto]" in-toto-attestation, and name that Python in MILLWRIGHT_PYTHON`;
const script = fileURLToPath(new URL("fixtures/attest.py", import.meta.url));
const run = async (...args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(python, [script, ...args])).stdout;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-attest-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("in-toto's own libraries verify our signatures, and read the statement and its provenance", async ({ skip }) => {
  skip(!isWanted, missing);
  const ann = newSigner("ann");
  const key = join(root, "ann.pem");
  await writeFile(key, ann.publicKey);
  const directory = await packLine(join(root, "ours"), {
    provenance: { datasets: { train: digestOf("flights") }, hyperparameters: { rate: 0.1 } },
  });
  const envelope = await signModel(directory, { key: ann.privateKey, builder: "https://ci.example/train" });
  const keyId = envelope.signatures[0]?.keyid;
  expect(JSON.parse(await run("verify", directory, key))).toEqual({
    keys: [keyId],
    fingerprint: keyId,
    is_about_the_manifest: true,
    predicate_type: "https://slsa.dev/provenance/v1",
    builder: "https://ci.example/train",
    dependencies: ["dataset:train"],
    vendor: ["millwright_signedOn"],
  });
  const text = await readFile(join(directory, "manifest.intoto.jsonl"), "utf8");
  await flip(directory, "manifest.intoto.jsonl", text.indexOf('"payload":"') + 200);
  await expect(run("verify", directory, key)).rejects.toThrow("Command failed");
});

test("what in-toto's own libraries sign, a policy accepts", async ({ skip }) => {
  skip(!isWanted, missing);
  const ben = newSigner("ben");
  const key = join(root, "ben.pem");
  await writeFile(key, ben.privateKey);
  const directory = await packLine(join(root, "theirs"));
  const keyId = (await run("sign", directory, key)).trim();
  const policy = (id: string | undefined) => createTrustPolicy({ keys: [{ ...ben.trusted, keyId: id }] });
  expect((await readSignatures(directory))[0]?.signatures[0]?.keyid).toBe(keyId);
  expect((await verifySignature(directory, policy(keyId))).signatures).toEqual([{ signer: "ben", keyId }]);
  // Their key ids are not fingerprints: a policy has to say them.
  await expect(verifySignature(directory, policy(undefined))).rejects.toMatchObject({ code: "MODEL_SIGNER_UNTRUSTED" });
  await flip(directory, "weights.bin", 0);
  await expect(verifySignature(directory, policy(keyId))).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
});

const openssl = spawnSync("openssl", ["pkeyutl", "-help"]).stderr?.toString().includes("-rawin") === true;

test("openssl and sha256sum are enough to check a signature by hand", async ({ skip }) => {
  skip(!openssl, "there is no openssl with pkeyutl -rawin (3.0 or newer) on the PATH");
  const ann = newSigner("ann");
  const directory = await packLine(join(root, "by-hand"));
  const { payload, payloadType, signatures } = await signModel(directory, { key: ann.privateKey });
  const body = Buffer.from(payload, "base64");
  const file = (name: string): string => join(root, name);
  await writeFile(
    file("message"),
    Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `), body]),
  );
  await writeFile(file("signature"), Buffer.from(signatures[0]?.sig ?? "", "base64"));
  await writeFile(file("public.pem"), ann.publicKey);
  const verify = () =>
    promisify(execFile)("openssl", [
      "pkeyutl",
      "-verify",
      "-pubin",
      "-rawin",
      "-inkey",
      file("public.pem"),
      "-sigfile",
      file("signature"),
      "-in",
      file("message"),
    ]);
  expect((await verify()).stdout).toContain("Verified Successfully");
  expect(body.toString()).toContain(digestOf(await readFile(join(directory, "manifest.json"))).slice(7));
  await flip(root, "message", 100);
  await expect(verify()).rejects.toThrow("Command failed");
});
