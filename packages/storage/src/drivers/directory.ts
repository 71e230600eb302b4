export {
  type DirectoryArtifactStoreOptions,
  openDirectoryArtifactStore,
} from "../artifacts/directory-artifact-store.ts";
