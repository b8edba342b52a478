//! Artifacts, the registry, profiles and the runtimes that execute models.
