"""Code that the verbs of `zoomin-train` share."""
