"""The verbs of `zoomin-train`, a file each."""
