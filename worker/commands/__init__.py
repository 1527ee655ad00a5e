"""The commands of `zoomin`, one file for each verb."""
