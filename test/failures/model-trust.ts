import { generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import type { ResolvedModel } from "../../packages/contracts/dist/index.js";
import * as model from "../../packages/model/dist/index.js";
import { type Failures, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const dense = model.writeDenseModel([{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" as const }]);
const signing = generateKeyPairSync("ed25519");
const stranger = generateKeyPairSync("ed25519");
const trust = model.createTrustPolicy({ keys: [{ signer: "ann", key: signing.publicKey }] });
/** A tar of one entry: its name, and the content's length at most 512 bytes. */
function tarOf(name: string, content: string | Uint8Array, type = "0"): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write(Buffer.from(content).length.toString(8).padStart(11, "0"), 124);
  header.write(`        ${type}`, 148);
  header.write("ustar\x0000", 257);
  header.write(
    header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0"),
    148,
  );
  const body = Buffer.alloc(512);
  body.set(Buffer.from(content));
  return Buffer.concat([header, body, Buffer.alloc(1024)]);
}
async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

const corrupt = (call: () => unknown): Failures => ({ PORT_MODEL_CORRUPT: call });

/** Signatures, scans and archives. */
export async function trustSubjects(folder: string, packed: ResolvedModel): Promise<Subjects> {
  let count = 0;
  const fresh = (): string => `${folder}/trusted/${(count += 1)}`;
  const signed = await model.packModel(fresh(), { name: "signed", format: "dense", ...dense });
  const envelope = await model.signModel(signed.directory, { key: signing.privateKey });
  const foreign = await model.createSignature(signed, { key: stranger.privateKey });
  const torn = await model.packModel(fresh(), { name: "torn", format: "dense", ...dense });
  await writeFile(`${torn.directory}/manifest.intoto.jsonl`, "{}");
  const file = `${folder}/notes`;
  await mkdir(folder, { recursive: true });
  await writeFile(file, "not a folder");
  return {
    scanModel: well(
      model.scanModel,
      () => [`${folder}/late/1`, { format: "dense", signal }],
      { MODEL_FILE_PATH: () => model.scanModel(`${folder}/none`) },
      30,
    ),
    createTrustPolicy: well(
      model.createTrustPolicy,
      () => [
        {
          keys: [{ signer: "ann", key: signing.publicKey, keyId: "a", notBeforeMs: 0, notAfterMs: 1 }],
          rules: [{ models: "late*", signers: ["ann"], threshold: 1 }],
          requireSigned: true,
          revoked: ["b"],
          formats: ["dense"],
        },
      ],
      {
        MODEL_KEY_INVALID: () => model.createTrustPolicy({ keys: [{ signer: "ann", key: "no key" }] }),
        RangeError: () =>
          model.createTrustPolicy({
            keys: [{ signer: "ann", key: signing.publicKey }],
            rules: [{ models: "*", signers: ["ben"] }],
          }),
      },
    ),
    ...methods("createTrustPolicy()", () => trust, {
      check: [
        () => [signed, [envelope]],
        {
          MODEL_SIGNATURE_MISSING: () => trust.check(signed, []),
          MODEL_SIGNER_UNTRUSTED: () => trust.check(signed, [foreign]),
          MODEL_SIGNATURE_INVALID: () => trust.check(packed, [envelope]),
          MODEL_PACKAGE_REVOKED: () =>
            model
              .createTrustPolicy({ keys: [{ signer: "ann", key: signing.publicKey }], revoked: [signed.digest] })
              .check(signed, [envelope]),
        },
      ],
    }),
    createSignature: well(
      model.createSignature,
      () => [signed, { key: signing.privateKey, keyId: "a", builder: "https://ci.example", signal }],
      { MODEL_KEY_INVALID: () => model.createSignature(signed, { key: "no key" }) },
      40,
    ),
    signModel: well(
      model.signModel,
      () => [signed.directory, { key: signing.privateKey, signal }],
      corrupt(() => model.signModel(`${folder}/late`, { key: signing.privateKey })),
      25,
    ),
    readSignatures: well(
      model.readSignatures,
      () => [signed.directory, { signal }],
      { MODEL_SIGNATURE_INVALID: () => model.readSignatures(torn.directory) },
      25,
    ),
    checkEnvelope: well(model.checkEnvelope, () => [envelope, signed.digest], {
      MODEL_SIGNATURE_INVALID: () => model.checkEnvelope(envelope, packed.digest),
    }),
    openStaging: well(
      model.openStaging,
      () => [`${folder}/private`, { signal }],
      { MODEL_STAGING_EXPOSED: () => model.openStaging(file) },
      25,
    ),
    parseEnvelope: well(model.parseEnvelope, () => [envelope], {
      MODEL_SIGNATURE_INVALID: () => model.parseEnvelope("{}"),
    }),
    verifySignature: well(
      model.verifySignature,
      () => [signed.directory, trust, { signal }],
      { MODEL_SIGNATURE_MISSING: () => model.verifySignature(packed.directory, trust) },
      25,
    ),
    stageModel: well(
      model.stageModel,
      () => [signed.directory, `${folder}/staging`, { trust, name: "signed", signal }],
      {
        PORT_MODEL_CORRUPT: () => model.stageModel(`${folder}/late`, `${folder}/staging`),
        MODEL_STAGING_EXPOSED: () => model.stageModel(signed.directory, file),
      },
      25,
    ),
    extractArchive: well(
      model.extractArchive,
      () => [
        streamOf(tarOf("model.json", "{}")),
        fresh(),
        { limits: { entries: 5, totalBytes: 999, entryBytes: 999, ratio: 9, depth: 3 }, keepNested: false, signal },
      ],
      {
        MODEL_ARCHIVE_INVALID: () => model.extractArchive(streamOf(Uint8Array.of(1, 2)), fresh()),
        MODEL_ARCHIVE_TOO_LARGE: () =>
          model.extractArchive(streamOf(tarOf("a", "abc")), fresh(), { limits: { entryBytes: 2 } }),
        MODEL_ARCHIVE_UNSAFE: () => model.extractArchive(streamOf(tarOf("../a", "abc")), fresh()),
        RangeError: () => model.extractArchive(streamOf(tarOf("a", "abc")), fresh(), { limits: { ratio: 0 } }),
      },
      30,
    ),
    importModelArchive: well(
      model.importModelArchive,
      () => [
        streamOf(tarOf("network.json", "{}")),
        fresh(),
        {
          name: "late",
          format: "dense",
          signature: dense.signature,
          include: () => true,
          limits: { entries: 5 },
          signal,
        },
      ],
      {
        MODEL_ARCHIVE_UNDESCRIBED: () => model.importModelArchive(streamOf(tarOf("network.json", "{}")), fresh()),
        MODEL_CONTENT_UNSAFE: () =>
          model.importModelArchive(streamOf(tarOf("a.txt", "#!/bin/sh\n")), fresh(), {
            format: "dense",
            signature: dense.signature,
          }),
      },
      30,
    ),
  };
}
