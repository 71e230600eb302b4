export {
  type CheckContainerOptions,
  type ContainerCaseReport,
  type ContainerReport,
  type ContainerTarget,
  type LaunchedContainer,
  checkContainer,
} from "./container/container-contract.ts";
export { type ServeContainerOptions, type ServingContainer, serveContainer } from "./container/serve-container.ts";
