"""Code that the verbs of `zoomin` share."""
