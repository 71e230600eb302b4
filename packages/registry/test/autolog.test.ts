import { spawn } from "node:child_process";
import { SpanStatusCode } from "@opentelemetry/api";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { layersCallbacks, logJsonLines, spanExporter } from "@millwright/registry";
import { expect, test } from "vitest";
import { openWorkshop } from "./workshop.ts";

test("MR-9: one line logs what TensorFlow.js trains, epoch by epoch, under its own names", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "layers" });
  await tf.setBackend("cpu");
  const model = layers.sequential({
    layers: [layers.layers.dense({ units: 1, inputShape: [2], activation: "sigmoid" })],
  });
  model.compile({ optimizer: "sgd", loss: "binaryCrossentropy", metrics: ["accuracy"] });
  const x = tf.tensor2d([0, 0, 0, 1, 1, 0, 1, 1], [4, 2]);
  const y = tf.tensor2d([0, 0, 0, 1], [4, 1]);
  const fitted = await model.fit(x, y, {
    epochs: 5,
    validationData: [x, y],
    verbose: 0,
    callbacks: layersCallbacks(run),
  });
  await run.end("finished");
  expect(Object.keys((await registry.run(run.id)).metrics)).toEqual(["acc", "loss", "val_acc", "val_loss"]);
  const loss = await registry.series(run.id, "loss");
  expect(loss.map(({ value }) => value)).toEqual(fitted.history["loss"]);
  expect(loss.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
});

test("MR-9: one line logs what a child process prints as JSON lines, and passes over the rest", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "child" });
  const program = `
    console.log(JSON.stringify({ params: { rate: 0.1, name: "x" } }));
    console.log("Epoch 1 of 3");
    for (let epoch = 0; epoch < 3; epoch += 1)
      console.log(JSON.stringify({ epoch, loss: 1 / (epoch + 1), valid: { auc: 0.5 + epoch / 10 }, note: "é" }));
    console.log("{ not json");
    process.stdout.write("x".repeat(3000) + "\\n");
    process.stdout.write(JSON.stringify({ epoch: 3, loss: 0.2 }));`;
  const child = spawn(process.execPath, ["--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
  const others: string[] = [];
  const report = await logJsonLines(run, child.stdout, { longestLine: 1000, onOther: (line) => others.push(line) });
  await run.end("finished");
  expect(report).toEqual({ logged: 5, other: 3 });
  expect(others).toEqual(["Epoch 1 of 3", "{ not json"]);
  expect(await registry.run(run.id)).toMatchObject({
    params: { rate: 0.1, name: "x" },
    metrics: { loss: 0.2, "valid/auc": 0.7 },
  });
  expect((await registry.series(run.id, "loss")).map(({ step }) => step)).toEqual([0, 1, 2, 3]);
});

test("MR-9: one line logs the spans of OpenTelemetry: durations, errors, and what the root says", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "spans" });
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(spanExporter(run))] });
  const tracer = provider.getTracer("test");
  for (const code of [SpanStatusCode.OK, SpanStatusCode.ERROR, SpanStatusCode.UNSET]) {
    const span = tracer.startSpan("train", { attributes: { model: "late", rows: 12 }, startTime: [1000, 0] });
    span.setStatus({ code });
    span.end([1002, 500_000_000]);
  }
  await provider.forceFlush();
  expect(await registry.run(run.id)).toMatchObject({
    params: { "span/train/model": "late", "span/train/rows": 12 },
    metrics: { "span/train/ms": 2500, "span/train/error": 0 },
  });
  expect((await registry.series(run.id, "span/train/error")).map(({ value }) => value)).toEqual([0, 1, 0]);
  await run.end("finished");
  // Spans that end after the run are not logged, and harm nobody.
  tracer.startSpan("late").end();
  await provider.shutdown();
  expect(Object.keys((await registry.run(run.id)).metrics)).not.toContain("span/late/ms");
});
