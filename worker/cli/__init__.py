"""Code that several commands of `zoomin` share."""
