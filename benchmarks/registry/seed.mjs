// Runs with two metrics and a param, and one of many points, written straight into the tables of either side: through HTTP it would take hours.
import { encodeChunk } from "../../packages/registry/dist/tracking/metric-chunk.js";
import { openDatabase } from "./raw-sqlite.mjs";

const value = (index, salt) => (((index + salt * 12345) * 2654435761) >>> 0) / 2 ** 32;
export const pointAt = (step) => Math.sin(step / 1000) + (step % 7) / 10;

/** @param path MLflow's database. Runs go to experiment 0. */
export function seedMlflow(path, runs, points) {
  const database = openDatabase(path);
  const run = database.prepare(
    "insert into runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id, user_id, source_type, source_name, entry_point_name, source_version) values (?, ?, 'FINISHED', ?, ?, 'active', 'mlflow-artifacts:/0/x', 0, 'ann', 'LOCAL', '', '', '')",
  );
  const latest = database.prepare(
    "insert into latest_metrics (key, value, timestamp, step, is_nan, run_uuid) values (?, ?, ?, 0, 0, ?)",
  );
  const metric = database.prepare(
    "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, ?, 0)",
  );
  const param = database.prepare("insert into params (key, value, run_uuid) values ('units', ?, ?)");
  database.exec("begin");
  for (let index = runs.from; index < runs.to; index += 1) {
    const id = `f${index.toString(16).padStart(31, "0")}`;
    run.run(id, `run ${index}`, 1000 + index, 2000 + index);
    for (const [salt, key] of ["loss", "accuracy"].entries()) {
      latest.run(key, value(index, salt * 77), 1000, id);
      metric.run(key, value(index, salt * 77), 1000, id, 0);
    }
    param.run(String(index % 8), id);
  }
  if (points !== undefined) {
    for (let step = 0; step < points.count; step += 1) metric.run("curve", pointAt(step), step, points.run, step);
    latest.run("curve", pointAt(points.count - 1), points.count - 1, points.run);
  }
  database.exec("commit");
  database.close();
}

/** @param path Our database. */
export function seedOurs(path, runs, points) {
  const database = openDatabase(path);
  const { id: experiment } = database.prepare("select id from registry_experiments limit 1").get();
  const run = database.prepare(
    "insert into registry_runs (id, experiment_id, name, status, started_ms, ended_ms, inputs) values (?, ?, ?, 'finished', ?, ?, '[]')",
  );
  const series = database.prepare(
    "insert into registry_series (run, name, points, nans, last_step, last_ms, last_value, min_value, min_step, max_value, max_step) values (?, ?, 1, 0, 0, 1000, ?, ?, 0, ?, 0)",
  );
  const chunk = database.prepare(
    "insert into registry_chunks (series, points, min_step, max_step, data) values (?, ?, ?, ?, ?)",
  );
  const param = database.prepare(
    "insert into registry_params (run, name, value, text, number) values (?, 'units', ?, ?, ?)",
  );
  const write = (series_, from, to, at) => {
    const steps = Float64Array.from({ length: to - from }, (_, index) => from + index);
    chunk.run(series_, to - from, from, to - 1, encodeChunk({ steps, timesMs: steps, values: steps.map(at) }));
  };
  database.exec("begin");
  for (let index = runs.from; index < runs.to; index += 1) {
    const id = `f${index.toString(16).padStart(31, "0")}`;
    run.run(id, experiment, `run ${index}`, 1000 + index, 2000 + index);
    for (const [salt, key] of ["loss", "accuracy"].entries()) {
      const each = value(index, salt * 77);
      const { lastInsertRowid } = series.run(id, key, each, each, each);
      write(Number(lastInsertRowid), 0, 1, () => each);
    }
    param.run(id, JSON.stringify(String(index % 8)), String(index % 8), index % 8);
  }
  if (points !== undefined) {
    const { lastInsertRowid } = database
      .prepare(
        "insert into registry_series (run, name, points, nans, last_step, last_ms, last_value, min_value, min_step, max_value, max_step) values (?, 'curve', ?, 0, ?, ?, ?, 0, 0, 0, 0)",
      )
      .run(points.run, points.count, points.count - 1, points.count - 1, pointAt(points.count - 1));
    for (let from = 0; from < points.count; from += 10_000)
      write(Number(lastInsertRowid), from, Math.min(points.count, from + 10_000), pointAt);
  }
  database.exec("commit");
  database.exec("analyze");
  database.close();
}
