import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock, digestOf } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type TrustPolicyOptions,
  createSignature,
  createTrustPolicy,
  readSignatures,
  signModel,
  verifyModel,
  verifySignature,
} from "../src/index.ts";
import { flip, newSigner, packLine, startMs } from "./signed-models.ts";

const ann = newSigner("ann");
const ben = newSigner("ben");
const eve = newSigner("eve");
const clock = createManualClock(startMs);
const policy = (options: Partial<TrustPolicyOptions> = {}) =>
  createTrustPolicy({ keys: [ann.trusted, ben.trusted], clock, ...options });

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-signed-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, String((count += 1)));

async function signedBy(...signers: readonly { readonly privateKey: string }[]): Promise<string> {
  const directory = await packLine(fresh());
  for (const { privateKey } of signers) await signModel(directory, { key: privateKey, clock });
  return directory;
}

test("a signed package verifies, keeps its digest, and says who signed it when", async () => {
  const directory = await packLine(fresh());
  const { digest } = await verifyModel(directory);
  await signModel(directory, { key: ann.privateKey, clock });
  const report = await verifySignature(directory, policy());
  expect(report.digest).toBe(digest);
  // The manifest is written canonically: its file's digest is the package's, for tools that know nothing of us.
  expect(digestOf(await readFile(join(directory, "manifest.json")))).toBe(digest);
  expect(report.signatures).toMatchObject([{ signer: "ann", signedOn: "2023-11-14T22:13:20.000Z" }]);
  expect((await verifyModel(directory, { trust: policy() })).digest).toBe(digest);
});

test("the statement is in-toto's, with SLSA provenance of what the manifest says", async () => {
  const dataset = digestOf("flights");
  const provenance = {
    datasets: { train: dataset },
    code: digestOf("code"),
    seed: 7,
    runId: "run-1",
    hyperparameters: { rate: 0.1 },
    environment: { node: "20" },
  };
  const directory = await packLine(fresh(), { provenance });
  const { payload, payloadType } = await signModel(directory, {
    key: ann.privateKey,
    builder: "https://ci.example/train",
    clock,
  });
  expect(payloadType).toBe("application/vnd.in-toto+json");
  expect(JSON.parse(Buffer.from(payload, "base64").toString())).toEqual({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: "late", digest: { sha256: (await verifyModel(directory)).digest.slice(7) } }],
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: expect.stringMatching(/^https:/) as string,
        externalParameters: { name: "late", format: "dense", hyperparameters: { rate: 0.1 } },
        internalParameters: { environment: { node: "20" }, seed: 7 },
        resolvedDependencies: [
          { name: "dataset:train", digest: { sha256: dataset.slice(7) } },
          { name: "code", digest: { sha256: digestOf("code").slice(7) } },
        ],
      },
      runDetails: {
        builder: { id: "https://ci.example/train" },
        metadata: { invocationId: "run-1", finishedOn: "2023-11-14T22:13:20.000Z" },
      },
      millwright_signedOn: "2023-11-14T22:13:20.000Z",
    },
  });
});

test("MR-22: one byte flipped anywhere, in weights, manifest or signature, and the package is refused", async () => {
  const signed = await signedBy(ann);
  for (const file of ["weights.bin", "network.json", "manifest.json", "manifest.intoto.jsonl"]) {
    const { length } = await readFile(join(signed, file));
    const places =
      length < 100
        ? Array.from({ length }, (_, at) => at)
        : Array.from({ length: 15 }, (_, at) => Math.floor((at * length) / 15));
    for (const at of places) {
      const copy = fresh();
      await cp(signed, copy, { recursive: true });
      await flip(copy, file, at);
      const refusal = await verifyModel(copy, { trust: policy() }).then(
        () => `the byte ${at} of ${file} was accepted`,
        (error: { code?: string }) => error.code,
      );
      // A changed key id names a key that nobody has; the last byte is the end of a line, which may as well be another white space.
      if (file === "manifest.intoto.jsonl" && at === length - 1) continue;
      expect(["PORT_MODEL_CORRUPT", "MODEL_SIGNATURE_INVALID", "MODEL_SIGNER_UNTRUSTED"]).toContain(refusal);
      await rm(copy, { recursive: true });
    }
  }
});

test("MR-22: an unsigned package is refused under the policy, and so is one whose signatures were taken away", async () => {
  const missing = { code: "MODEL_SIGNATURE_MISSING", remedy: expect.stringContaining("signModel") as string };
  await expect(verifyModel(await packLine(fresh()), { trust: policy() })).rejects.toMatchObject(missing);
  const signed = await signedBy(ann);
  await rm(join(signed, "manifest.intoto.jsonl"));
  await expect(verifyModel(signed, { trust: policy() })).rejects.toMatchObject(missing);
  await expect(verifyModel(signed)).resolves.toMatchObject({ name: "late" });
  await expect(verifyModel(signed, { trust: policy({ requireSigned: false }) })).resolves.toMatchObject({
    name: "late",
  });
});

test("a signature of another package, or by nobody who is trusted, does not count", async () => {
  const signed = await signedBy(ann);
  const other = await packLine(fresh(), { slope: 3 });
  await cp(join(signed, "manifest.intoto.jsonl"), join(other, "manifest.intoto.jsonl"));
  await expect(verifyModel(other, { trust: policy() })).rejects.toMatchObject({
    code: "MODEL_SIGNATURE_INVALID",
    message: expect.stringContaining("other bytes") as string,
  });
  await expect(verifyModel(other, { trust: policy({ requireSigned: false }) })).rejects.toMatchObject({
    code: "MODEL_SIGNATURE_INVALID",
  });
  await expect(verifyModel(await signedBy(eve), { trust: policy() })).rejects.toMatchObject({
    code: "MODEL_SIGNER_UNTRUSTED",
  });
});

test("what ann signed as another statement than provenance is no word for the package", async () => {
  const directory = await packLine(fresh());
  const model = await verifyModel(directory);
  const { payload } = await createSignature(model, { key: ann.privateKey, clock });
  const statement = JSON.parse(Buffer.from(payload, "base64").toString()) as Record<string, unknown>;
  const resigned = (change: object, payloadType = "application/vnd.in-toto+json") => {
    const body = Buffer.from(JSON.stringify({ ...statement, ...change }));
    const sig = sign(
      null,
      Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `), body]),
      ann.privateKey,
    );
    return [{ payloadType, payload: body.toString("base64"), signatures: [{ sig: sig.toString("base64") }] }];
  };
  expect(policy().check(model, resigned({}))).toHaveLength(1);
  for (const envelopes of [
    resigned({ predicateType: "https://in-toto.io/attestation/test-result/v0.1" }),
    resigned({ _type: "https://in-toto.io/Statement/v0.1" }),
    resigned({ subject: [] }),
    resigned({ subject: "all" }),
    resigned({}, "application/json"),
  ])
    expect(() => policy().check(model, envelopes)).toThrow(
      expect.objectContaining({ code: "MODEL_SIGNATURE_INVALID" }),
    );
});

test("keys count within their time alone, and not once they or the package are revoked", async () => {
  const directory = await signedBy(ann);
  const { digest } = await verifyModel(directory);
  const { keyId } = (await verifySignature(directory, policy())).signatures[0]!;
  const untrusted = { code: "MODEL_SIGNER_UNTRUSTED" };
  const within = (notBeforeMs: number, notAfterMs: number) =>
    policy({ keys: [{ ...ann.trusted, notBeforeMs, notAfterMs }] });
  await expect(verifyModel(directory, { trust: within(startMs, startMs) })).resolves.toMatchObject({ digest });
  await expect(verifyModel(directory, { trust: within(startMs + 1, Infinity) })).rejects.toMatchObject(untrusted);
  await expect(verifyModel(directory, { trust: within(0, startMs - 1) })).rejects.toMatchObject(untrusted);
  const revoked = new Set<string>();
  const trust = policy({ revoked });
  await expect(verifyModel(directory, { trust })).resolves.toMatchObject({ digest });
  revoked.add(keyId);
  await expect(verifyModel(directory, { trust })).rejects.toMatchObject({
    ...untrusted,
    message: expect.stringContaining("revoked") as string,
  });
  await expect(verifyModel(directory, { trust: policy({ revoked: [digest] }) })).rejects.toMatchObject({
    code: "MODEL_PACKAGE_REVOKED",
  });
});

test("rules say by name who must sign, and how many of them", async () => {
  const rules = [
    { models: "fraud-*", signers: ["ann", "ben"], threshold: 2 },
    { models: "la?e", signers: ["ben"] },
  ];
  const trust = policy({ rules });
  const untrusted = { code: "MODEL_SIGNER_UNTRUSTED" };
  await expect(verifyModel(await signedBy(ben), { trust })).resolves.toMatchObject({ name: "late" });
  await expect(verifyModel(await signedBy(ann), { trust })).rejects.toMatchObject({
    ...untrusted,
    message: expect.stringContaining('"ann" may not sign it') as string,
  });
  // Both names have to fit: the one that is asked for, and the one the package was made under.
  await expect(verifyModel(await signedBy(ben), { trust, name: "fraud-eu" })).rejects.toMatchObject(untrusted);
  await expect(verifyModel(await signedBy(ann, ben), { trust, name: "fraud-eu" })).resolves.toMatchObject({
    name: "late",
  });
  await expect(verifyModel(await signedBy(ann, ben), { trust, name: "other" })).rejects.toMatchObject(untrusted);
  // The same signer twice, with two keys, is one signer.
  const second = newSigner("ann");
  const twice = policy({ rules, keys: [ann.trusted, second.trusted, ben.trusted] });
  await expect(verifyModel(await signedBy(ann, second), { trust: twice, name: "fraud-eu" })).rejects.toMatchObject(
    untrusted,
  );
});

test("a package gets more signatures later; the same key signs in place of its earlier one", async () => {
  const directory = await signedBy(ann, ben, ann);
  expect(await readSignatures(directory)).toHaveLength(2);
  expect((await verifySignature(directory, policy())).signatures.map(({ signer }) => signer).toSorted()).toEqual([
    "ann",
    "ben",
  ]);
});

test("keys come as PEM, encrypted PEM, JSON Web Keys and key objects, or stay where they are", async () => {
  const pair = generateKeyPairSync("ed25519");
  const jwk = pair.privateKey.export({ format: "jwk" });
  const encrypted = pair.privateKey.export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "secret",
  }) as string;
  const publicJwk = pair.publicKey.export({ format: "jwk" });
  for (const options of [
    { key: pair.privateKey },
    { key: jwk },
    { key: encrypted, passphrase: "secret" },
    { key: (bytes: Uint8Array) => Promise.resolve(sign(null, bytes, pair.privateKey)), keyId: "kms/1" },
  ]) {
    const directory = await packLine(fresh());
    await signModel(directory, options);
    const keyId = "keyId" in options ? options.keyId : undefined;
    for (const key of [pair.publicKey, publicJwk, pair.publicKey.export({ type: "spki", format: "pem" }) as string])
      expect(
        (await verifySignature(directory, policy({ keys: [{ signer: "ci", key, keyId }] }))).signatures,
      ).toHaveLength(1);
  }
});

test("what is no key is refused, and nothing of it is said", async () => {
  const directory = await packLine(fresh());
  const invalid = { code: "MODEL_KEY_INVALID" };
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  for (const key of ["secret words", rsa, ann.publicKey, { kty: "OKP" }, createPublicKey(ann.publicKey)]) {
    const error = await signModel(directory, { key }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject(invalid);
    expect(String(error)).not.toContain("secret words");
  }
  await expect(signModel(directory, { key: () => new Uint8Array(64) })).rejects.toMatchObject(invalid);
  await expect(signModel(directory, { key: () => new Uint8Array(3), keyId: "a" })).rejects.toMatchObject(invalid);
  expect(() => policy({ keys: [{ signer: "ann", key: "no key" }] })).toThrow(expect.objectContaining(invalid));
  expect(() => policy({ keys: [ann.trusted, { ...ann.trusted, signer: "ben" }] })).toThrow(/twice/);
  expect(() => policy({ rules: [{ models: "*", signers: ["ann"], threshold: 2 }] })).toThrow(RangeError);
  expect(() => policy({ rules: [{ models: "*", signers: ["mallory"] }] })).toThrow(/mallory/);
  expect(await readSignatures(directory)).toEqual([]);
  expect(createPrivateKey(ann.privateKey).asymmetricKeyType).toBe("ed25519");
});

test("a file of signatures that cannot be read is refused", async () => {
  for (const text of ["no json", "{}", "[]", '{"payloadType":"a","payload":"$","signatures":[]}', "{}\n".repeat(200)]) {
    const directory = await packLine(fresh());
    await writeFile(join(directory, "manifest.intoto.jsonl"), text);
    await expect(verifyModel(directory, { trust: policy() })).rejects.toMatchObject({
      code: "MODEL_SIGNATURE_INVALID",
    });
  }
  const directory = await signedBy(ann);
  await appendFile(join(directory, "manifest.intoto.jsonl"), "\n\n");
  await expect(verifyModel(directory, { trust: policy() })).resolves.toMatchObject({ name: "late" });
});

test("a policy may name the formats that are loaded", async () => {
  const directory = await signedBy(ann);
  await expect(verifyModel(directory, { trust: policy({ formats: ["onnx"] }) })).rejects.toMatchObject({
    code: "MODEL_CONTENT_UNSAFE",
  });
  await expect(verifyModel(directory, { trust: policy({ formats: ["dense"] }) })).resolves.toMatchObject({
    name: "late",
  });
});
