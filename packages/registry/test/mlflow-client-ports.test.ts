import { openMlflowApp } from "./mlflow-app.ts";
import { describeClient } from "./mlflow-client-behaviour.ts";
import { describePorts } from "./mlflow-client-cases.ts";

const serve = () => openMlflowApp();

describePorts(serve, (skip, name) => {
  if (name === "a version is approved or rejected, and either can be changed")
    skip("a registry of Millwright decides on approvals itself: no tag passes its gates");
});
describeClient("our own face", serve, () => {});
