"""What the system does: issue, edit, rotate, revoke, find, verify, sign in, audit. No GraphQL and no HTTP."""
