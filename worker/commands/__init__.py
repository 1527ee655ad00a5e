"""The commands for people, a file a verb."""
