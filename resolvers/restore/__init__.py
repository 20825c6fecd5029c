"""After a restore: what was taken away since the backup is read from an export of the audit log and repeated."""
