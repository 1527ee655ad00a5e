"""Model revisions and the champion pointer in S3."""
