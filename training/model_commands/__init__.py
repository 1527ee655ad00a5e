"""The verbs of `zoomin-train` on the model registry, a file each."""
