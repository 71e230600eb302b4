import { expect, test } from "vitest";
import { asyncSignatures } from "./public-signatures.ts";
import { publishedPackages } from "./published-packages.ts";

/** What is called of clients of AWS, which call a signal `abortSignal`, and are given it. */
const ofAws: readonly string[] = [
  "feature-store: DynamoDbClient.batchGetItem",
  "feature-store: DynamoDbClient.createTable",
  "feature-store: DynamoDbClient.deleteItem",
  "feature-store: DynamoDbClient.describeTable",
  "feature-store: DynamoDbClient.putItem",
  "feature-store: DynamoDbClient.query",
  "feature-store: DynamoDbClient.transactWriteItems",
  "feature-store: S3Client.deleteObject",
  "feature-store: S3Client.getObject",
  "feature-store: S3Client.listObjectsV2",
  "feature-store: S3Client.putObject",
  "feature-store: SageMakerClient.batchGetRecord",
  "feature-store: SageMakerClient.deleteRecord",
  "feature-store: SageMakerClient.putRecord",
  "storage: S3Client.abortMultipartUpload",
  "storage: S3Client.completeMultipartUpload",
  "storage: S3Client.copyObject",
  "storage: S3Client.createMultipartUpload",
  "storage: S3Client.deleteObject",
  "storage: S3Client.getObject",
  "storage: S3Client.headObject",
  "storage: S3Client.listMultipartUploads",
  "storage: S3Client.listObjectsV2",
  "storage: S3Client.listParts",
  "storage: S3Client.putObject",
  "storage: S3Client.uploadPart",
  "storage: S3Client.uploadPartCopy",
];

/** What waits and takes no signal, each with its reason. */
const exceptions: Readonly<Record<string, string>> = {
  ...Object.fromEntries(ofAws.map((name) => [name, "as the client of the caller's has it"])),
  "contracts: LoadedModel.dispose": "it gives back, and is to come to its end",
  "contracts: ManualClock.advance": "it moves a clock of tests, and waits for nothing but the sleepers that it wakes",
  "data: ByteReader.read": "what is called of a FileHandle of the caller's, as that has it",
  "feature-store: IoRedisClient.callBuffer": "what is called of a client of the caller's, as that has it",
  "feature-store: LmdbDatabase.transaction": "what is called of a database of the caller's, as that has it",
  "feature-store: NodeRedisClient.sendCommand": "what is called of a client of the caller's, as that has it",
  "feature-store: NodeRedisCluster.sendCommand": "what is called of a client of the caller's, as that has it",
  "feature-store: PostgresPool.query": "what is called of a pool of the caller's, as that has it",
  "feature-store: S3Client.transformToByteArray": "what is called of an answer of the caller's client, as that has it",
  "jobs: openWorkerChannel": "for the bootstrap of a job's own process, which ends with the channel",
  "model: OnnxLibrary.create": "it is ONNX Runtime's own, passed in",
  "model: OnnxSession.release": "it is ONNX Runtime's own, passed in",
  "model: OnnxSession.run": "it is ONNX Runtime's own, passed in",
  "registry: LayersCallbacks.onEpochEnd": "what TensorFlow.js calls, as it has it",
  "registry: LayersCallbacks.onTrainEnd": "what TensorFlow.js calls, as it has it",
  "registry: RunSpanExporter.forceFlush": "what OpenTelemetry calls, as it has it",
  "registry: RunSpanExporter.shutdown": "what OpenTelemetry calls, as it has it",
  "registry: LineageServer.handle": "the request that it takes carries a signal",
  "registry: MlflowFetchAnswer.text": "it is the answer of fetch, which took the signal",
  "registry: MlflowServer.handle": "the request that it takes carries a signal",
  "serving: AsyncInference.handle": "the request that it takes carries a signal",
  "serving: AuthenticationRequest.body": "the request that it belongs to has a signal",
  "serving: JoseLibrary.jwtVerify": "of the library that is passed in",
  "serving: ModelServer.handle": "the request that it takes carries a signal",
  "serving: RecommendOptions.close": "the caller's own; it ends what it opened",
  "serving: SideModel.close": "it gives back, and is to come to its end",
  "serving: ComputeNode.compute": "the caller's own; the request of its context carries a signal",
  "serving: FallbackTarget.rule": "the caller's own; the request of its call carries a signal",
  "serving: SideModel.predict": "the request of its call carries a signal",
  "serving: Stage.close": "it gives back, and is to come to its end",
  "serving: Stage.model": "the request of its call carries a signal",
  "serving: Stage.open": "called while the server opens, which closes what it opened when its signal aborts",
  "serving: Stage.request": "the request of its call carries a signal",
  "storage: IoRedisClient.call": "what is called of a client of the caller's, as that has it",
  "storage: NodeRedisClient.sendCommand": "what is called of a client of the caller's, as that has it",
  "storage: Migration.up": "called by `migrate`, within the transaction that its signal rolls back",
  "storage: Migration.down": "called by `revert`, within the transaction that its signal rolls back",
  "storage: PostgresClient.query": "what is called of a client of the caller's pool, as that has it",
  "storage: PostgresPool.connect": "what is called of a pool of the caller's, as that has it",
  "storage: WriteScope.emit": "called within `write`, whose signal rolls back the whole transaction",
  "tfjs: WebGpuAdapter.requestDevice": "WebGPU's own signature",
  "tfjs: WebGpuEntry.requestAdapter": "WebGPU's own signature",
  "trainer: TrainingDefinition.build": "called in the process of the run, which is ended as a whole",
  "tuner: PlotLibrary.toSVG": "Vega's own signature",
};

test("CT-11: every public function and method that answers later takes a signal", () => {
  const signatures = asyncSignatures();
  // The declarations were found and understood: every package with something to wait for is among them.
  const packages = new Set(signatures.map(({ name }) => name.split(":")[0]));
  expect([...packages].toSorted()).toEqual(publishedPackages.map(({ name }) => name).toSorted());
  expect(signatures.length).toBeGreaterThan(130);
  const without = signatures.filter(({ takesSignal }) => !takesSignal).map(({ name }) => name);
  expect([...new Set(without)].toSorted()).toEqual(Object.keys(exceptions).toSorted());
});

test("the declarations are read as they are written: functions, methods, type parameters, options that are extended", () => {
  const found = new Map(asyncSignatures().map(({ name, takesSignal }) => [name, takesSignal]));
  for (const name of [
    "storage: Database.write",
    "storage: openSqlite",
    "contracts: JobHandle.stop",
    "tuner: StudyOf.ask",
  ]) {
    expect(found.get(name), name).toBe(true);
  }
  expect(found.get("storage: WriteScope.emit")).toBe(false);
});
